/* Translating the settings in tine_task and tine_options to struct settings. */
#include <string.h>
#include "api/api.h"
#include "base/clock.h"

uint64_t tine__api_limit(double seconds) {
    uint64_t span = clock_span(seconds);
    return span == WAIT_FOREVER ? 0 : span;
}

static bool is_set(const tine_retry *r) {
    return r->error || r->crashed || r->timeout || r->lost;
}

static void read_retry(const tine_retry *from, struct retry *to) {
    *to = tine__settings_none.retry;
    to->budget[RETRY_ERROR] = from->error;
    to->budget[RETRY_CRASHED] = from->crashed;
    to->budget[RETRY_TIMEOUT] = from->timeout;
    to->budget[RETRY_LOST] = from->lost;
    if (from->delay >= 0)
        to->delay = clock_span(from->delay);
    if (from->max_delay >= 0)
        to->most = clock_span(from->max_delay);
    if (from->factor >= 0)
        to->factor = from->factor;
    if (from->jitter >= 0)
        to->jitter = from->jitter;
}

/* The settings that both structs have. 0 (grace: negative) and NULL: not set. */
struct said {
    double timeout, deadline, grace, cpu;
    int64_t priority;
    const char *group;
    const tine_retry *retry;
    uint64_t memory;
    bool seeded;
    int64_t seed;
    const char *seed_text;
    int output; /* enum tine_output */
    uint64_t output_limit;
};

static bool is_silent(const struct said *said) {
    return said->timeout == 0 && said->deadline == 0 && said->grace < 0 && said->cpu == 0 &&
           said->priority == 0 && !said->group && !is_set(said->retry) && said->memory == 0 &&
           !said->seeded && !said->seed_text && said->output == TINE_OUTPUT_DEFAULT &&
           said->output_limit == 0;
}

static void set_times(struct settings *s, const struct said *said) {
    if (said->timeout != 0)
        s->timeout = tine__api_limit(said->timeout);
    if (said->deadline != 0)
        s->deadline = tine__api_limit(said->deadline);
    if (said->grace >= 0)
        s->grace = clock_span(said->grace);
    if (said->cpu != 0)
        s->cpu = tine__api_limit(said->cpu);
}

static void set_seed(struct settings *s, const struct said *said) {
    if (said->seed_text)
        settings_seed_text(s, said->seed_text, strlen(said->seed_text));
    else if (said->seeded)
        settings_seed(s, said->seed);
}

static void set_output(struct settings *s, const struct said *said) {
    static const uint8_t modes[] = {[TINE_OUTPUT_INHERIT] = OUTPUT_INHERIT,
                                    [TINE_OUTPUT_CAPTURE] = OUTPUT_CAPTURE,
                                    [TINE_OUTPUT_PREFIX] = OUTPUT_PREFIX};
    if (said->output != TINE_OUTPUT_DEFAULT)
        s->output = modes[said->output];
    if (said->output_limit)
        s->output_limit = said->output_limit;
}

static int change(const struct settings *from, const struct said *said, struct settings **out) {
    struct settings *s = said->group ? tine__settings_copy(from, said->group, strlen(said->group))
                                     : tine__settings_copy(from, from->group, from->group_len);
    if (!s)
        return TINE_ENOMEM;
    set_times(s, said);
    if (said->priority != 0)
        s->priority = said->priority;
    if (is_set(said->retry))
        read_retry(said->retry, &s->retry);
    if (said->memory)
        s->memory = said->memory == UINT64_MAX ? 0 : said->memory;
    set_seed(s, said);
    set_output(s, said);
    settings_look(s);
    *out = s;
    return 0;
}

/* Both structs name these fields alike. */
#define SAID(from, limit) \
    { \
        .timeout = (from)->limit, .deadline = (from)->deadline, .grace = (from)->grace, \
        .cpu = (from)->cpu, .priority = (from)->priority, .group = (from)->group, \
        .retry = &(from)->retry, .memory = (from)->memory, .seeded = (from)->seeded, \
        .seed = (from)->seed, .seed_text = (from)->seed_text, .output = (from)->output, \
        .output_limit = (from)->output_limit \
    }

int tine__api_settings(const tine_task *task, const struct settings *from, struct settings **out) {
    const struct said said = SAID(task, timeout);
    *out = NULL;
    return is_silent(&said) ? 0 : change(from, &said, out);
}

int tine__api_defaults(const tine_options *o, struct settings **out) {
    const struct said said = SAID(o, task_timeout);
    return change(&tine__settings_none, &said, out);
}
