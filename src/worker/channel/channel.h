/* Channel: where a worker's task loop gets its calls and puts its results.
**
** An interface, for the loop (worker/task/loop.c) knows nothing of shared memory. That of a worker process is the call
** queue and its link (shm.h, and the rest of this folder); the worker in the program has one of its own (worker/inner).
** A channel carries bytes: it calls no Lua, and does not know what becomes of a call.
*/
#ifndef TINE_WORKER_CHANNEL_CHANNEL_H
#define TINE_WORKER_CHANNEL_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "codec/codec.h"
#include "ipc/arena.h"
#include "ipc/link.h"
#include "msg/errand.h"
#include "msg/extra.h"
#include "msg/nested.h"
#include "msg/label.h"
#include "store/store.h"

/* A call item in the worker's hands; the bytes are valid until the next `take`. */
struct call {
    uint32_t depth;     /* how many tasks it was submitted by, one by the other */
    uint64_t id, index; /* index: of the first task in its map, from 1; 0: of none */
    uint32_t count, ref;
    bool timed, spends;
    bool far; /* it came from another machine */
    /* Of one from another machine: what it names, struct call_far_name, not aligned. */
    const char *names;
    uint32_t nnames;
    uint64_t shown;                 /* the id that its submitter knows it by */
    uint64_t crew, errands, errand; /* as in struct call_far */
    bool mute;                      /* nobody wants events of its tasks */
    uint64_t event_buffer;          /* of each, before it is granted more; 0: as all here */
    uint32_t attempt;               /* from 1 */
    const struct call_extra *extra; /* NULL: it has none */
    const char *label;              /* NULL: made from the callee's origin */
    size_t label_len;
    const char *function;
    size_t function_len;
    const char *arguments; /* `count` segments */
    size_t arguments_len;
    /* Of the function called; NULL: it is looked up in the heap when it is wanted. */
    const struct codec_origin *origin;
    struct heap *heap;
    uint64_t callee; /* that function's id in the store; 0: it is not there */
};

/* What its tasks are called. It is good as long as *room, and the call. */
static inline struct task_name call_name(const struct call *c, struct codec_origin *room) {
    *room = c->origin ? *c->origin : (struct codec_origin){0};
    if (!c->origin && c->callee)
        tine__store_find(c->heap, c->callee, NULL, room);
    return (struct task_name){.id = c->shown,
                              .index = c->index,
                              .origin = room,
                              .label = c->label,
                              .label_len = (uint32_t)c->label_len};
}

/* A call that each worker runs once (msg/errand.h). */
struct errand_call {
    const char *function;
    size_t function_len;
    const char *arguments;
    size_t arguments_len;
    const char *names; /* as in struct call */
    uint32_t nnames;
};

/* What lies behind the head, in a block of so many bytes; the head's length of the function was checked. */
static inline struct errand_call errand_call_of(const struct errand_head *head, uint64_t length) {
    const char *function = (const char *)(head + 1);
    return (struct errand_call){.function = function,
                                .function_len = head->function,
                                .arguments = function + head->function,
                                .arguments_len = length - sizeof *head - head->function};
}

#define CHANNEL_REST HEAP_REST /* ns */

struct channel {
    /* Has the submitter told us something since we asked last? As cheap as a load; `take` then returns TINE_EAGAIN. */
    bool (*told)(struct channel *ch);
    /* ... that we are to leave? */
    bool (*dismissed)(struct channel *ch);
    /* ... that there is an errand which was not given yet? Its number, from 1, or 0. */
    uint64_t (*errand)(struct channel *ch, struct errand_call *out);
    /* Wait for the next call. 0; TINE_ESHUTDOWN: there will be none any more; TINE_ETIMEOUT: none came within
    ** `patience` ns (UINT64_MAX: waits without end). */
    int (*take)(struct channel *ch, struct call *out, uint64_t patience);
    /* Before task `k` of the call is run. 0, and *when: the time; TINE_ECANCELLED: it and the rest of the chunk must not run;
    ** TINE_EAGAIN: this worker is to be killed, do nothing more. */
    int (*begin)(struct channel *ch, const struct call *call, uint32_t k, uint64_t *when);
    /* Its time does not run meanwhile; it begins now. NULL: no task comes from other machines. */
    void (*hold)(struct channel *ch);
    void (*resume)(struct channel *ch, const struct call *call);
    /* Was the task that runs asked to end (ipc/link.h: RUN_ASKED, RUN_TIMED; 0)? Async-signal-safe. */
    unsigned (*asked)(struct channel *ch);
    /* Is somebody to be told where the task stands? Async-signal-safe; NULL: never. Then tell it. */
    bool (*inquired)(struct channel *ch);
    void (*tell_place)(struct channel *ch, const char *place, size_t length);
    /* An empty buffer to encode a result into (one at a time). */
    struct buf *(*reply)(struct channel *ch);
    /* Say how far the task has come; and once more before its answer, so that it is heard for certain. */
    void (*progress)(struct channel *ch, const struct progress *p);
    void (*last_progress)(struct channel *ch, const struct call *call, const struct progress *p);
    /* May the task `k` that runs emit something? Waits until it may; false: nobody wants it. */
    bool (*may_emit)(struct channel *ch, const struct call *call, uint32_t k);
    /* An empty buffer to encode an event into, beside the reply; send what is in it. */
    struct buf *(*event)(struct channel *ch);
    void (*emit)(struct channel *ch, const struct call *call, uint32_t k);
    /* Answer task `k` with what is in the reply buffer; one that was asked to end, with no more than RECORD_ENDED. 0;
    ** TINE_EAGAIN as above. */
    int (*answer)(struct channel *ch, const struct call *call, uint32_t k, enum record_kind kind);
    /* All of the call is answered (or stopped). */
    void (*done)(struct channel *ch, const struct call *call);
    /* Say something that is no answer (RECORD_READY, RECORD_FAILED, RECORD_IDLE, RECORD_LEAVING with why as id,
    ** RECORD_STOPPED with the first id that never ran), with what is in the reply buffer. */
    void (*say)(struct channel *ch, enum record_kind kind, uint64_t id, uint32_t ref);
    /* Is there memory for `tidy` to give back, that nobody wants any more? After CHANNEL_REST it knows. */
    bool (*untidy)(struct channel *ch);
    void (*tidy)(struct channel *ch);

    /* --- tasks that tasks submit (task/nest.h) --- */

    /* What there is to say of a call that is not in the queue: `bytes` go along with the head. *extra is room for that of
    ** its own. */
    void (*describe)(struct channel *ch, const struct call_head *head, const char *bytes,
                     struct call_extra *extra, struct call *out);
    /* Another task is to run on top of the one that runs, until `down`. False: there are too many. */
    bool (*up)(struct channel *ch);
    void (*down)(struct channel *ch);
    /* In a pool without processes, where such tasks run when they are submitted: what the one that runs on top, before `down`,
    ** was answered with, its bytes and what these name the caller's; its time is over then (ns of the clock, 0: never).
    ** NULL elsewhere, and what is below is NULL there. */
    enum record_kind (*answered)(struct channel *ch, struct buf *out, struct carried *names);
    void (*limit)(struct channel *ch, uint64_t until);
    /* Letters that have come, in a list of copies, the first one first: to be freed. *lost: there was no memory for one. */
    struct posted *(*mail)(struct channel *ch, bool *lost);
    /* Sleep until some come, for `ns` at most, or until a signal comes. */
    void (*listen)(struct channel *ch, uint64_t ns);
};

struct posted {
    struct posted *next;
    struct carried names; /* what the letter's bytes name */
    struct letter letter; /* bytes follow */
};

#endif
