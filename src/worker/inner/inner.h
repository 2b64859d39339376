/* Inner: a worker that is no process: a Lua state of its own inside the program, which runs calls in the thread that
** asks for it (of a pool with workers = 0). It is dressed, prepared and run by the code of the workers that are
** processes, so a task sees the same; but it is at the program's mercy, and the program at the task's: nothing
** here can be killed, and a crash is the program's. The site of such pools (site/here) calls it, and what in the floors above
** waits inside of a task. It knows nothing of processes.
**
** One thread at a time. What is said to be watched may be read, and `upto` written, by other threads meanwhile.
*/
#ifndef TINE_WORKER_INNER_INNER_H
#define TINE_WORKER_INNER_INNER_H

#include <lua.h>
#include <stdatomic.h>
#include <stdint.h>
#include "base/buf.h"
#include "ipc/arena.h"
#include "ipc/heap.h"
#include "ipc/link.h"
#include "msg/call.h"
#include "msg/progress.h"
#include "worker/boot.h"
#include "worker/channel/channel.h"

struct inner;
struct settings;

/* What a task was answered with. */
struct inner_answer {
    enum record_kind kind;
    uint64_t started, ended; /* ns */
    struct buf bytes;        /* tine__buf_init */
    struct carried carried;  /* what they name */
};

/* What a task has emitted. */
struct inner_event {
    _Atomic(struct inner_event *) next;
    uint32_t k;
    struct buf bytes; /* tine__buf_init */
    struct carried carried;
};

/* A call to be run. */
struct inner_call {
    struct call_head head;
    const char *bytes; /* label, function segment, arguments; NULL: they cannot be had */
    atomic_uint upto;  /* tasks from this one on are not to be begun; 0: what runs is to end, too */
    _Atomic uint64_t running; /* task k as (k + 1) << 8 | what it was asked; 0: none runs */
    atomic_uint answered;     /* watched */
    _Atomic uint64_t since;   /* watched: when the task that runs was begun, ns; 0: none runs */
    struct inner_call *below; /* that waits for this one, which a task of it has submitted */
    uint32_t told;            /* which of its tasks, as k + 1, was told that it is to end */
    uint64_t until;           /* its time is over then; 0: never, or others see to that */
    /* Watched: events in order, put in at `emitted` by the task. Who takes them begins behind `taken`, which he has
    ** taken, and frees. */
    struct inner_event *taken, *emitted;
    struct progress said;          /* by the last task that has said anything */
    struct inner_answer answers[]; /* head.count of them */
};

/* Something else that the thread that runs tasks is to do again and again, at short intervals, in the midst of one. */
struct inner_chore {
    void (*run)(void *arg);
    void *arg;
};

/* 0, TINE_ENOMEM, TINE_ESYSTEM (errno). `calls`: where functions of calls are, reader's side; `defaults`: the
** settings of the pool; both borrowed. */
int tine__inner_new(struct inner **out, const struct boot *boot, struct heap *calls,
                    const struct settings *defaults, const struct inner_chore *chore);

/* Before a call is run; and when it is done with. 0 or TINE_ENOMEM. */
int tine__inner_events_open(struct inner_call *call);
void tine__inner_events_close(struct inner_call *call);
/* The next event that was not taken; NULL: there is none. Good until the next look. */
struct inner_event *tine__inner_event(struct inner_call *call);
void tine__inner_take_event(struct inner_call *call);

/* By the task: false, and the bytes are still the caller's: no memory. */
bool tine__inner_put_event(struct inner_call *call, uint32_t k, const struct buf *bytes,
                           const struct carried *carried);

enum inner_start { INNER_READY, INNER_NO_MEMORY, INNER_NO_PRELOAD, INNER_NO_INITIALIZER };
/* Make the state and run what comes before tasks. With the last two `out` has an error segment. */
enum inner_start tine__inner_start(struct inner *in, struct buf *out);
/* Run an errand. As tine__errand_run. */
bool tine__inner_errand(struct inner *in, const struct errand_call *call, struct buf *out);
/* Run it: `answered` tasks have ended, the rest never will begin. */
void tine__inner_run(struct inner *in, struct inner_call *call);
/* Ask its task k to end, by a word that either this or the end of the task changes first. True: it was asked, and will be
** answered by RECORD_ENDED. Any thread. */
bool tine__inner_ask(struct inner_call *call, uint32_t k, bool timed);
/* Is this its state? */
bool tine__inner_is(lua_State *L);
/* In its state, where a task stands in C: as it does by itself after some Lua instructions, do the chore, and raise what the
** task is told if it was asked to end. */
void tine__inner_heed(lua_State *L);
/* In its state: was the task that runs asked to end? */
bool tine__inner_stopping(lua_State *L);
/* Close the state: finalizers run. */
void tine__inner_end(struct inner *in);
/* Ends it first; NULL is fine. */
void tine__inner_free(struct inner *in);

#endif
