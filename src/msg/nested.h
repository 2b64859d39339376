/* Nested: what is said of tasks that tasks submit (tine.worker.pool), between a worker and its pool. Plain data.
**
** A task numbers what it submits. The pool has such a task run like any other, and posts its result to the worker. A task
** that waits says so; when one that it waits for is with nobody, the pool has that worker run it, on top of the one that
** waits, and posts its call.
*/
#ifndef TINE_MSG_NESTED_H
#define TINE_MSG_NESTED_H

#include <stdint.h>
#include "msg/call.h"
#include "msg/settings.h"

#define NESTED_MOST 1000u  /* tasks, each submitted by the one before */
#define NESTED_AWAITED 64u /* that a worker names at a time */

/* Settings that its submitter has said something of; for the rest those of the pool hold. */
enum nested_set {
    SET_TIMEOUT = 1,
    SET_DEADLINE = 2,
    SET_GRACE = 4,
    SET_PRIORITY = 8,
    SET_GROUP = 16,
    SET_RETRY = 32,
    SET_MEMORY = 64,
    SET_CPU = 128,
    SET_OUTPUT = 256,
    SET_OUTPUT_LIMIT = 512,
    SET_SEED = 1024
};

/* A task that is submitted. Behind it: if `set` is not 0 a struct settings; function segment, argument segment; the texts,
** each with its NUL. */
struct nested_call {
    uint64_t number;   /* the worker's for it, of all that it ever submits */
    uint64_t count;    /* how many its task had submitted then, from 1 */
    uint64_t call;     /* bytes of function and argument segment */
    uint32_t function; /* bytes of the first */
    uint32_t set;      /* enum nested_set */
    uint32_t group;    /* bytes of texts, NULs included; 0: there is none */
    uint32_t label;
    uint32_t name, source; /* of the function's origin */
    int32_t line;
    uint32_t spare;
};

enum letter_kind {
    LETTER_RUN,    /* run this on top of the task that waits */
    LETTER_RESULT, /* of task `number` */
    LETTER_ANSWER /* to RECORD_CANCEL of task `number`, and to RECORD_AWAIT of none: nothing follows of it */
};

/* What a failure was (pool/failure.h), beside the texts behind it. */
struct letter_failure {
    int32_t error, pid, status, line;
    uint32_t worker;
    uint8_t has_status, cpu, pending, running;
    uint64_t task, limit, used;
    uint32_t message, label, source, traceback; /* bytes, NULs included; 0: there is none */
};

struct letter {
    uint64_t next; /* the one posted before, 0: none (ipc/link.h) */
    uint64_t number;
    uint64_t id;      /* RESULT: of the task for its pool */
    uint32_t kind;    /* enum letter_kind */
    uint32_t state;   /* RESULT: how it has ended: enum outcome_state (pool/outcome.h) */
    int32_t code;     /* RESULT: of a failed one */
    uint32_t failed;  /* RESULT: a struct letter_failure and its texts follow, else bytes */
    uint32_t regions; /* RESULT: that these name: a struct handle (ipc/arena.h) each, behind them */
    uint32_t spare;
    uint64_t length;       /* of what follows; of a call that lies elsewhere 0 */
    struct call_head call; /* RUN */
};

/* What n is of a task that a task has submitted (seed): made from that one's call and index in its map (0: it is of none),
** and how many it had submitted. */
uint64_t tine__nested_serial(uint64_t serial, uint64_t index, uint64_t count);
/* Over the settings of the pool those that its submitter has said something of, but for the group. */
void tine__nested_merge(struct settings *to, const struct settings *said, uint32_t set);

#endif
