/* Settings: how a task is to be run, according to its submitter (pool:with in Lua, struct tine_task
** in C).
**
** They never change once made. All tasks submitted through one view share them with the view and
** with whoever looks at them later, so they are counted, by a count that any thread may change. The
** defaults of a pool live as long as the pool, and its own tasks do not count them.
*/
#ifndef TINE_MSG_SETTINGS_H
#define TINE_MSG_SETTINGS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hash.h"

#define SETTINGS_GRACE 100000000u        /* ns: the default */
#define SETTINGS_OUTPUT_LIMIT 1048576u   /* bytes */
#define SETTINGS_RETRY_DELAY 100000000u  /* ns */
#define SETTINGS_RETRY_MOST 60000000000u /* ns */

/* Where a task's standard streams go: */
enum output_mode {
    OUTPUT_INHERIT, /* to the program's own */
    OUTPUT_CAPTURE, /* to the task's future */
    OUTPUT_PREFIX,  /* to the program's own, line by line behind the task's label */
    /* a task from another machine whose output belongs there: sent there as it comes */
    OUTPUT_RELAY
};

/* The kinds of failure that have retry budgets of their own. */
enum retry_kind { RETRY_ERROR, RETRY_CRASHED, RETRY_TIMEOUT, RETRY_LOST, RETRY_KINDS };

struct retry {
    uint32_t budget[RETRY_KINDS]; /* attempts beyond the first */
    uint64_t delay, most;         /* ns: before the second attempt; the most before any */
    double factor, jitter;
    bool asks; /* the owner has a function that is asked before each attempt */
};

struct settings {
    atomic_uint refs;
    bool plain;     /* see settings_look */
    uint8_t output; /* enum output_mode */
    bool seeded;
    int64_t priority;
    uint64_t timeout;      /* ns from when a worker takes it up; 0: none */
    uint64_t deadline;     /* ns from submit, plus 1 (so 1 has passed at once); 0: none */
    uint64_t grace;        /* ns from the request to end; 0: no request, UINT64_MAX: never killed */
    uint64_t memory;       /* bytes, 0: no limit */
    uint64_t cpu;          /* ns, 0: no limit */
    uint64_t output_limit; /* bytes of output that are kept */
    uint64_t seed[2];
    struct retry retry;
    uint64_t group_hash; /* of the group's name; 0: no group */
    uint32_t group_len;
    char group[];
};

/* The settings when nothing was given. */
extern const struct settings tine__settings_none;

/* A copy with this group and one reference; `s->group_len` is ignored. NULL: no memory. */
struct settings *tine__settings_copy(const struct settings *s, const char *group, size_t len);
/* Both accept NULL. */
struct settings *tine__settings_ref(struct settings *s);
void tine__settings_unref(struct settings *s);

/* Set the seed to an integer, or to a text; no text gives the same seed as an integer. */
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

/* May any failure be retried? */
static inline bool settings_retry(const struct settings *s) {
    uint32_t any = 0;
    for (int kind = 0; kind < RETRY_KINDS; kind++)
        any |= s->retry.budget[kind];
    return any != 0;
}

/* To be called once everything is set. `plain`: there is nothing to tell the worker, nothing to
** watch and nothing to retry. It is only a shortcut: code that finds it false looks at the fields
** themselves, and it is false until this was called. */
static inline void settings_look(struct settings *s) {
    s->plain = (s->timeout | s->deadline | s->memory | s->cpu | s->seeded | s->output) == 0 &&
               !settings_retry(s);
}

#endif
