/* Nested: messages between a worker and its pool about tasks that tasks submit (tine.worker.pool).
** Plain data.
**
** The submitting worker numbers such tasks. The pool schedules them like any other, and posts each
** result to the worker in a letter. A task that waits for some says so. When one of these has not
** been taken by any worker, the pool has the waiting worker run it, on top of the task that waits,
** and posts its call in a letter.
*/
#ifndef TINE_MSG_NESTED_H
#define TINE_MSG_NESTED_H

#include <stdint.h>
#include "msg/call.h"
#include "msg/settings.h"

#define NESTED_MOST 1000u  /* nesting depth */
#define NESTED_AWAITED 64u /* tasks that one RECORD_AWAIT names */

/* The settings that the submitting task has given; the pool's defaults apply to the others. */
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

/* A submit by a task. Behind it: if `set` is not 0 a struct settings; function segment and argument
** segment; the texts, each with its NUL. */
struct nested_call {
    uint64_t number;   /* the worker's number for the new task, unique in that worker */
    uint64_t count;    /* which submit of the submitting task this is, from 1 */
    uint64_t call;     /* bytes of function and argument segment together */
    uint32_t function; /* bytes of the function segment */
    uint32_t set;      /* enum nested_set */
    uint32_t group;    /* bytes of this text and the next ones, NULs included; 0: none */
    uint32_t label;
    uint32_t name, source; /* of the function's origin */
    int32_t line;
    uint32_t spare;
};

enum letter_kind {
    LETTER_RUN,    /* run this call on top of the task that waits */
    LETTER_RESULT, /* the result of task `number` */
    /* an answer to RECORD_CANCEL of task `number`, or to RECORD_AWAIT of none;
    ** nothing follows from it */
    LETTER_ANSWER
};

/* A failure (pool/failure.h), without its texts, which follow. */
struct letter_failure {
    int32_t error, pid, status, line;
    uint32_t worker;
    uint8_t has_status, cpu, pending, running;
    uint64_t task, limit, used;
    uint32_t message, label, source, traceback; /* bytes, NULs included; 0: none */
};

struct letter {
    uint64_t next; /* the letter posted before this one; 0: none (ipc/link.h) */
    uint64_t number;
    uint64_t id;    /* RESULT: id of the task in its pool */
    uint32_t kind;  /* enum letter_kind */
    uint32_t state; /* RESULT: how the task has ended, enum outcome_state (pool/outcome.h) */
    int32_t code;   /* RESULT: error code of a failed task */
    /* RESULT: 1: a struct letter_failure and its texts follow; 0: the bytes of the result */
    uint32_t failed;
    /* RESULT: regions named by the bytes; a struct handle (ipc/arena.h) for each follows */
    uint32_t regions;
    uint32_t spare;
    uint64_t length;       /* bytes that follow; 0 for a call whose bytes lie elsewhere */
    struct call_head call; /* RUN */
};

/* The `serial` (msg/extra.h) of a task that was submitted by a task: made from the submitting
** task's serial and index in its map (0: not of a map), and which of its submits this is. */
uint64_t tine__nested_serial(uint64_t serial, uint64_t index, uint64_t count);
/* Copy the settings that the submitting task has given (`set`) from `said` to
** *to, except the group. */
void tine__nested_merge(struct settings *to, const struct settings *said, uint32_t set);

#endif
