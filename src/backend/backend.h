/* Backend: where workers come from.
**
** The pool (floor 4) decides what runs, and when a task has ended; a backend starts workers, carries call
** items to them and results back, and says when one is lost. Today's is this machine
** (backend/local.c: fork server, call queue, links). Another may speak to a job server over a socket:
** nothing here is about shared memory, and the manager polls whatever descriptor a backend has.
**
** All functions are called under the pool's lock, and none of them blocks. What a backend has to report,
** it reports from inside `collect` and `control`, through the sink.
*/
#ifndef TINE_BACKEND_BACKEND_H
#define TINE_BACKEND_BACKEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/origin.h"
#include "ipc/bell.h"
#include "ipc/link.h"
#include "ipc/queue.h"
#include "ipc/wakeup.h"
#include "worker/boot.h"

struct backend;

/* A result as it comes in. The bytes are the backend's: copy them, or keep a large one (`keep`). */
struct result_item {
    unsigned worker;
    enum record_kind kind;
    uint64_t id;  /* task */
    uint32_t ref; /* the pool's number for the call item */
    int error;    /* an errno: the answer is there, but its bytes cannot be had */
    const char *bytes;
    uint64_t length;
    bool large; /* the bytes lie in a block that can be kept instead of copied */
    void *lane; /* with `offset`: names that block, for `release` */
    uint64_t offset;
};

/* Where the pool hears of things. */
struct backend_sink {
    /* A result. Returning false: it makes no sense; the worker is to be treated as one that scribbles. With
    ** large ones *keep = true leaves the block to the pool until `release`. */
    bool (*result)(void *arg, const struct result_item *r, bool *keep);
    /* What came out of the worker's hands is rubbish: it must be killed. */
    void (*rubbish)(void *arg, unsigned worker);
    void (*started)(void *arg, unsigned worker, int pid);
    void (*not_started)(void *arg, unsigned worker, int error);
    /* A worker has ended; its results have been reported before. */
    void (*exited)(void *arg, unsigned worker, int pid, int status);
    /* No worker can be started any more: `error` an errno and the bytes text that says what happened; or 0 and a
    ** result segment of the preload's error. */
    void (*failed)(void *arg, int error, const char *bytes, size_t length);
    void (*gone)(void *arg); /* the fork server has ended */
    void *arg;
};

struct backend_ops {
    /* Give the pool's store and call blocks their memory. */
    struct heap *(*heap)(struct backend *b);

    /* Ask for worker `id`. 0; TINE_EAGAIN: not just now, try again; TINE_ESYSTEM, TINE_ENOMEM. */
    int (*start)(struct backend *b, unsigned id);
    /* Signal it; with SIGKILL its whole family. 0, or TINE_EAGAIN: try again. */
    int (*kill)(struct backend *b, unsigned id, int signal);
    /* A worker has ended (reported): forget it. */
    void (*forget)(struct backend *b, unsigned id);

    /* Hand over a call item. 0, or TINE_EAGAIN: full. *seq names it. */
    int (*put)(struct backend *b, const struct queue_slot *slot, uint64_t *seq);
    /* Let workers look, after `n` items were put: wakes at most so many that sleep. */
    void (*wake)(struct backend *b, unsigned n);
    /* The pool has more items than room: wake the manager (BELL_PRESSURE) when it runs low. */
    void (*want_low)(struct backend *b);
    /* Take an item back: true, it never runs. */
    bool (*withdraw)(struct backend *b, uint64_t seq);
    bool (*taken)(struct backend *b, uint64_t seq);
    /* Who has taken it has said so in `running` since. */
    bool (*freed)(struct backend *b, uint64_t seq);

    /* What a worker runs: see ipc/link.h. */
    enum run_state (*running)(struct backend *b, unsigned id, uint64_t *task, uint64_t *started);
    bool (*condemn)(struct backend *b, unsigned id, uint64_t task);
    bool (*stop)(struct backend *b, unsigned id, uint64_t task, uint32_t count, uint64_t *next);
    /* After `exited`: the item it had taken but not yet begun. */
    bool (*reclaim)(struct backend *b, unsigned id, uint64_t *seq);

    /* Anything to collect? A load for each worker. */
    bool (*pending)(struct backend *b);
    /* Something that cannot wait for a reader (a result ring half full)? */
    bool (*pressed)(struct backend *b);
    /* Report all results there are. */
    void (*collect)(struct backend *b, const struct backend_sink *sink);
    /* Give back a kept block. */
    void (*release)(struct backend *b, void *lane, uint64_t offset);

    /* The descriptor that the manager polls; -1 when there is none any more. */
    int (*descriptor)(struct backend *b);
    /* It is readable: report what it says. */
    void (*control)(struct backend *b, const struct backend_sink *sink);

    /* No more items: workers end in good order when the queue is empty. */
    void (*shut)(struct backend *b);
    /* End everything that is left now: `gone` is reported when it has ended. */
    void (*end)(struct backend *b);
    /* After `gone`: give back all descriptors; kept blocks and the heap stay readable. */
    void (*retire)(struct backend *b);
    /* Give everything back (nothing of it is used any more). */
    void (*close)(struct backend *b);
};

struct backend {
    const struct backend_ops *ops;
};

/* The bells of a pool: whom workers wake (ipc/bell.h). */
struct backend_bells {
    struct bell waiter;  /* the thread that waits */
    struct bell manager; /* its fd is the manager's wakeup */
};

/* Workers forked on this machine. `workers` is the highest id. On failure errno tells with TINE_ESYSTEM.
** Fills in *bells (the fds of which it owns, except that of the wakeup). */
int tine__local_open(struct backend **out, unsigned workers, bool spawn, const struct boot *boot,
                     struct wakeup *manager, struct backend_bells *bells);

#endif
