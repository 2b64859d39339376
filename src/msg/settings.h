/* Settings: how a task is to be run, as its submitter wants it (pool:with in Lua, struct tine_task in C).
**
** Never changed once made, and shared by all tasks that are submitted through one view, by the view and by
** whoever looks at them later: so they are counted, with a count that any thread may change. A pool's defaults
** live as long as the pool, and its own tasks do not count them.
*/
#ifndef TINE_MSG_SETTINGS_H
#define TINE_MSG_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"

#define SETTINGS_GRACE 100000000u        /* ns: what users get who say nothing */
#define SETTINGS_OUTPUT_LIMIT 1048576u   /* bytes */
#define SETTINGS_RETRY_DELAY 100000000u  /* ns */
#define SETTINGS_RETRY_MOST 60000000000u /* ns */

/* What a task writes to its standard streams goes ... */
enum output_mode {
    OUTPUT_INHERIT, /* to the program's own */
    OUTPUT_CAPTURE, /* to its future */
    OUTPUT_PREFIX,  /* to the program's, line by line behind its label */
    OUTPUT_RELAY /* of a task from another machine, where that is to be done there: to who has sent it, as it comes */
};

/* The ways to fail that have budgets of their own. */
enum retry_kind { RETRY_ERROR, RETRY_CRASHED, RETRY_TIMEOUT, RETRY_LOST, RETRY_KINDS };

struct retry {
    uint32_t budget[RETRY_KINDS]; /* attempts beyond the first */
    uint64_t delay, most;         /* ns: before the second attempt, before any */
    double factor, jitter;
    bool asks; /* the owner has a function to be asked before each */
};

struct settings {
    atomic_uint refs;
    bool plain;     /* settings_look */
    uint8_t output; /* enum output_mode */
    bool seeded;
    int64_t priority;
    uint64_t timeout;  /* ns from when it is taken up, 0: none */
    uint64_t deadline; /* ns from submit, and 1 more: 1 has passed then; 0: none */
    uint64_t grace;  /* ns from when it was asked to end; 0: not asked, UINT64_MAX: never killed */
    uint64_t memory; /* bytes, 0: no limit */
    uint64_t cpu;    /* ns, 0: no limit */
    uint64_t output_limit; /* bytes that are kept */
    uint64_t seed[2];
    struct retry retry;
    uint64_t group_hash; /* of its name; 0: of no group */
    uint32_t group_len;
    char group[];
};

/* What holds where nothing was said. */
extern const struct settings tine__settings_none;

/* A copy with this group, counted once; `s->group_len` is not looked at. NULL: no memory. */
struct settings *tine__settings_copy(const struct settings *s, const char *group, size_t len);
/* Both take NULL. */
struct settings *tine__settings_ref(struct settings *s);
void tine__settings_unref(struct settings *s);

/* Its seed is this integer, or this text: no text is the same as an integer. */
static inline void settings_seed(struct settings *s, int64_t seed) {
    s->seeded = true;
    s->seed[0] = (uint64_t)seed;
    s->seed[1] = 0;
}

static inline void settings_seed_text(struct settings *s, const char *text, size_t len) {
    s->seeded = true;
    s->seed[0] = tine__hash(text, len);
    s->seed[1] = 1;
}

/* Is anything to be tried again? */
static inline bool settings_retry(const struct settings *s) {
    uint32_t any = 0;
    for (int kind = 0; kind < RETRY_KINDS; kind++)
        any |= s->retry.budget[kind];
    return any != 0;
}

/* Once all is said: with these, is there nothing to be told to a worker, nothing to be watched and nothing to be tried
** again? Who finds `plain` false looks at each of them; it is never true of settings that nobody has looked at. */
static inline void settings_look(struct settings *s) {
    s->plain = (s->timeout | s->deadline | s->memory | s->cpu | s->seeded | s->output) == 0 &&
               !settings_retry(s);
}

#endif
