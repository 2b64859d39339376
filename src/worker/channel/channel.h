/* Channel: where a worker's task loop gets its calls and puts its results.
**
** It is an interface, so that the loop (worker/task/loop.c) knows nothing of shared memory. A
** worker process has the call queue and its link behind it (shm.h, and the rest of this folder);
** the worker inside the program has another one (worker/inner). A channel carries bytes: it calls
** no Lua, and does not know what becomes of a call. It is used by one thread, the worker's.
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

/* A call in the worker's hands; its bytes are valid until the next `take`. */
struct call {
    uint32_t depth;     /* nesting depth (call_depth) */
    uint64_t id, index; /* index: of the first task in its map, from 1; 0: not of a map */
    uint32_t count, ref;
    bool timed, spends;
    bool again; /* an error must be heard at once (CALL_AGAIN) */
    bool far;   /* from another machine */
    /* If it is: what it names, struct call_far_name, unaligned. */
    const char *names;
    uint32_t nnames;
    uint64_t shown;                 /* the id that its submitter knows it by */
    uint64_t crew, errands, errand; /* as in struct call_far */
    bool mute;                      /* nobody wants events of its tasks */
    uint64_t event_buffer; /* events of each task before it is granted more; 0: the pool's number */
    uint32_t attempt;      /* from 1 */
    const struct call_extra *extra; /* or NULL */
    const char *label;              /* NULL: the label is made from the callee's origin */
    size_t label_len;
    const char *function;
    size_t function_len;
    const char *arguments; /* `count` segments */
    size_t arguments_len;
    /* Origin of the function; NULL: looked up in the store when wanted. */
    const struct codec_origin *origin;
    struct heap *heap;
    uint64_t callee; /* the function's id in the store; 0: not stored */
};

/* What the label of its tasks is made of; valid as long as *room and the call. */
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

/* The errand in a block of `length` bytes; head->function was checked. */
static inline struct errand_call errand_call_of(const struct errand_head *head, uint64_t length) {
    const char *function = (const char *)(head + 1);
    return (struct errand_call){.function = function,
                                .function_len = head->function,
                                .arguments = function + head->function,
                                .arguments_len = length - sizeof *head - head->function};
}

#define CHANNEL_REST HEAP_REST /* ns */

struct channel {
    /* Has the submitter told workers anything since the last call? As cheap as a load. `take` then
    ** returns TINE_EAGAIN. */
    bool (*told)(struct channel *ch);
    /* Is this worker to leave? */
    bool (*dismissed)(struct channel *ch);
    /* The next errand that was not given yet: its number, from 1; 0: none. */
    uint64_t (*errand)(struct channel *ch, struct errand_call *out);
    /* Wait for the next call. 0; TINE_EAGAIN: see `told`; TINE_ESHUTDOWN: there will be no more;
    ** TINE_ETIMEOUT: none came within `patience` ns (UINT64_MAX: no limit). */
    int (*take)(struct channel *ch, struct call *out, uint64_t patience);
    /* Before task `k` of the call is run. 0, and *when: the time; TINE_ECANCELLED: neither it nor
    ** the rest of the chunk must run; TINE_EAGAIN: this worker is condemned, do nothing more. */
    int (*begin)(struct channel *ch, const struct call *call, uint32_t k, uint64_t *when);
    /* hold: the task's time does not run for now; resume: it begins now. NULL where no task comes
    ** from other machines. */
    void (*hold)(struct channel *ch);
    void (*resume)(struct channel *ch, const struct call *call);
    /* Was the running task asked to end? RUN_ASKED, RUN_TIMED (ipc/link.h), or 0.
    ** Async-signal-safe. */
    unsigned (*asked)(struct channel *ch);
    /* Does the submitter want to know where the task stands? Async-signal-safe; NULL: never. Then
    ** tell_place answers. */
    bool (*inquired)(struct channel *ch);
    void (*tell_place)(struct channel *ch, const char *place, size_t length);
    /* The buffer for a result, emptied (one at a time). */
    struct buf *(*reply)(struct channel *ch);
    /* progress: publish the task's progress. last_progress: once more before its answer, so that it
    ** is certainly seen. */
    void (*progress)(struct channel *ch, const struct progress *p);
    void (*last_progress)(struct channel *ch, const struct call *call, const struct progress *p);
    /* May task `k`, which runs, emit an event? Waits until it may; false: nobody wants it. */
    bool (*may_emit)(struct channel *ch, const struct call *call, uint32_t k);
    /* event: a buffer for an event, emptied, beside the reply. emit: send it. */
    struct buf *(*event)(struct channel *ch);
    void (*emit)(struct channel *ch, const struct call *call, uint32_t k);
    /* Answer task `k` with the reply buffer. If the task was asked to end, only RECORD_ENDED is
    ** sent. 0; TINE_EAGAIN: this worker is condemned, do nothing more. */
    int (*answer)(struct channel *ch, const struct call *call, uint32_t k, enum record_kind kind);
    /* All tasks of the call are answered, or stopped. */
    void (*done)(struct channel *ch, const struct call *call);
    /* Send a record that is no answer, with the reply buffer (RECORD_READY,
    ** RECORD_FAILED, RECORD_IDLE, RECORD_LEAVING with the reason as id, RECORD_STOPPED
    ** with the first id that never ran). */
    void (*say)(struct channel *ch, enum record_kind kind, uint64_t id, uint32_t ref);
    /* untidy: is there unused memory that `tidy` may give back once CHANNEL_REST is over? */
    bool (*untidy)(struct channel *ch);
    void (*tidy)(struct channel *ch);

    /* --- tasks that tasks submit (task/nest.h) --- */

    /* Describe a call that does not come from the queue: its head, and its bytes. *extra is room
    ** for the call's extra. */
    void (*describe)(struct channel *ch, const struct call_head *head, const char *bytes,
                     struct call_extra *extra, struct call *out);
    /* up: another task is going to run on top of the running one, until `down`.
    ** False: too many levels. */
    bool (*up)(struct channel *ch);
    void (*down)(struct channel *ch);
    /* For a pool without processes, where submitted tasks run at once. answered: the answer of the
    ** task on top, to be called before `down`; the bytes, and what they name, become the caller's.
    ** limit: that task's time is over at `until` (ns of the clock, 0: never). NULL in a worker
    ** process; there the two below are set, which are NULL here. */
    enum record_kind (*answered)(struct channel *ch, struct buf *out, struct carried *names);
    void (*limit)(struct channel *ch, uint64_t until);
    /* Copies of the letters that have come, in order, to be freed by the caller. *lost: there was
    ** no memory for one. */
    struct posted *(*mail)(struct channel *ch, bool *lost);
    /* Sleep until letters come, for at most `ns`, or until a signal comes. */
    void (*listen)(struct channel *ch, uint64_t ns);
};

struct posted {
    struct posted *next;
    struct carried names; /* regions named by the letter */
    struct letter letter; /* its bytes follow */
};

#endif
