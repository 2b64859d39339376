/* Inner: a worker that is not a process but a Lua state inside the program (a pool with workers =
** 0). It runs calls in the thread that asks for it. It is made, prepared and run by the same code
** as worker processes, so a task sees the same. But a task can harm the program: nothing here can
** be killed, and a crash is the program's. It is called by the site of such pools (site/here), and
** by higher floors for what waits inside a task. It knows nothing of processes.
**
** Used by one thread at a time. Meanwhile other threads may read the fields marked "watched", and
** write `upto`.
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

/* The answer of a task. */
struct inner_answer {
    enum record_kind kind;
    uint64_t started, ended; /* ns */
    struct buf bytes;        /* a buffer of its own */
    struct carried carried;  /* regions named by the bytes */
};

/* An event emitted by a task. */
struct inner_event {
    _Atomic(struct inner_event *) next;
    uint32_t k;
    struct buf bytes; /* a buffer of its own */
    struct carried carried;
};

/* A call to run. */
struct inner_call {
    struct call_head head;
    const char *bytes; /* label, function segment, arguments; NULL: they cannot be read */
    atomic_uint upto;  /* tasks from this one on must not begin; 0: the running one must end, too */
    _Atomic uint64_t running; /* task k as (k + 1) << 8 | request to end; 0: none runs */
    atomic_uint answered;     /* watched: number of tasks answered */
    _Atomic uint64_t since;   /* watched: when the running task began, ns; 0: none runs */
    struct inner_call *below; /* the call whose task has submitted this one, and waits */
    uint32_t told;            /* which of its tasks, as k + 1, was told to end */
    uint64_t until;           /* its time is over then; 0: never, or others watch it */
    /* Watched: events in order. The task appends at `emitted`. `taken` is the last one taken; the
    ** reader continues behind it, and frees it. */
    struct inner_event *taken, *emitted;
    struct progress said;          /* the last progress of any task */
    struct inner_answer answers[]; /* head.count of them */
};

/* A chore that the thread which runs tasks does again and again, at short intervals,
** in the midst of a task. */
struct inner_chore {
    void (*run)(void *arg);
    void *arg;
};

/* Make a worker. 0, TINE_ENOMEM, TINE_ESYSTEM (errno). `calls`: where the functions of calls are,
** reader's side; `defaults`: the settings of the pool; both are borrowed. */
int tine__inner_new(struct inner **out, const struct boot *boot, struct heap *calls,
                    const struct settings *defaults, const struct inner_chore *chore);

/* Before a call is run, and when it is done with. 0 or TINE_ENOMEM. */
int tine__inner_events_open(struct inner_call *call);
void tine__inner_events_close(struct inner_call *call);
/* The next event; NULL: none. Valid until it is taken. */
struct inner_event *tine__inner_event(struct inner_call *call);
void tine__inner_take_event(struct inner_call *call);

/* Called by the task. False: no memory, and the bytes are still the caller's. */
bool tine__inner_put_event(struct inner_call *call, uint32_t k, const struct buf *bytes,
                           const struct carried *carried);

enum inner_start { INNER_READY, INNER_NO_MEMORY, INNER_NO_PRELOAD, INNER_NO_INITIALIZER };
/* Make the state and run what comes before tasks. With INNER_NO_PRELOAD and INNER_NO_INITIALIZER
** `out` has an error segment. */
enum inner_start tine__inner_start(struct inner *in, struct buf *out);
/* Run an errand, as tine__errand_run. */
bool tine__inner_errand(struct inner *in, const struct errand_call *call, struct buf *out);
/* Run a call. On return `answered` tasks have ended, and the others will never begin. */
void tine__inner_run(struct inner *in, struct inner_call *call);
/* Ask task k of the call to end, by compare-and-swap on a word that the end of the task changes,
** too. True: it was asked in time, and its answer will be RECORD_ENDED. Any thread. */
bool tine__inner_ask(struct inner_call *call, uint32_t k, bool timed);
/* Is this the state of such a worker? */
bool tine__inner_is(lua_State *L);
/* For C code of a task, in that state: do the chore, and raise the error if the task was asked to
** end, as a hook does regularly in Lua code. */
void tine__inner_heed(lua_State *L);
/* In that state: was the running task asked to end? */
bool tine__inner_stopping(lua_State *L);
/* Run the finalizer and close the state. */
void tine__inner_end(struct inner *in);
/* End it and free everything; NULL is fine. */
void tine__inner_free(struct inner *in);

#endif
