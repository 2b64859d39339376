#include "msg/nested.h"

#include <string.h>
#include "base/hash.h"

uint64_t tine__nested_serial(uint64_t serial, uint64_t index, uint64_t count) {
    const uint64_t parts[] = {serial, index, count};
    return tine__hash(parts, sizeof parts);
}

void tine__nested_merge(struct settings *to, const struct settings *said, uint32_t set) {
    to->timeout = set & SET_TIMEOUT ? said->timeout : to->timeout;
    to->deadline = set & SET_DEADLINE ? said->deadline : to->deadline;
    to->grace = set & SET_GRACE ? said->grace : to->grace;
    to->priority = set & SET_PRIORITY ? said->priority : to->priority;
    to->memory = set & SET_MEMORY ? said->memory : to->memory;
    to->cpu = set & SET_CPU ? said->cpu : to->cpu;
    to->output = set & SET_OUTPUT ? said->output : to->output;
    to->output_limit = set & SET_OUTPUT_LIMIT ? said->output_limit : to->output_limit;
    if (set & SET_RETRY)
        to->retry = said->retry;
    if (set & SET_SEED) {
        to->seeded = said->seeded;
        memcpy(to->seed, said->seed, sizeof to->seed);
    }
    to->retry.asks = false;
    settings_look(to);
}
