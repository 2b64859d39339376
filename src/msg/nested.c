#include "msg/nested.h"

#include <string.h>

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
}
