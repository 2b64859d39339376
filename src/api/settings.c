/* From what struct tine_task and tine_options say of how a task is to be run to struct settings. */
#include <string.h>
#include "api/api.h"
#include "base/clock.h"

uint64_t tine__api_limit(double seconds) {
    uint64_t span = clock_span(seconds);
    return span == WAIT_FOREVER ? 0 : span;
}

/* What both structs have; 0 (of `grace`: less) and NULL say nothing. */
struct said {
    double timeout, grace, cpu;
    uint64_t memory;
    bool seeded;
    int64_t seed;
    const char *seed_text;
};

static bool is_silent(const struct said *said) {
    return said->timeout == 0 && said->grace < 0 && said->cpu == 0 && said->memory == 0 &&
           !said->seeded && !said->seed_text;
}

static void set_seed(struct settings *s, const struct said *said) {
    if (said->seed_text)
        settings_seed_text(s, said->seed_text, strlen(said->seed_text));
    else if (said->seeded)
        settings_seed(s, said->seed);
}

static int change(const struct settings *from, const struct said *said, struct settings **out) {
    struct settings *s = tine__settings_copy(from, from->group, from->group_len);
    if (!s)
        return TINE_ENOMEM;
    if (said->timeout != 0)
        s->timeout = tine__api_limit(said->timeout);
    if (said->grace >= 0)
        s->grace = clock_span(said->grace);
    if (said->cpu != 0)
        s->cpu = tine__api_limit(said->cpu);
    if (said->memory)
        s->memory = said->memory == UINT64_MAX ? 0 : said->memory;
    set_seed(s, said);
    *out = s;
    return 0;
}

int tine__api_settings(const tine_task *t, const struct settings *from, struct settings **out) {
    const struct said said = {t->timeout, t->grace, t->cpu,      t->memory,
                              t->seeded,  t->seed,  t->seed_text};
    *out = NULL;
    return is_silent(&said) ? 0 : change(from, &said, out);
}

int tine__api_defaults(const tine_options *o, struct settings **out) {
    const struct said said = {o->task_timeout, o->grace, o->cpu,      o->memory,
                              o->seeded,       o->seed,  o->seed_text};
    return change(&tine__settings_none, &said, out);
}
