/* Executor: the C library's pools and futures (include/tine.h) on top of the pool.
**
** References: the opener holds the tine_pool, and so does each future; a future is held by its user
** and by the task under way, whose reference goes when its item is taken from the pool's done list.
** Everybody who may take items from there calls their callbacks: threads that wait or dispatch
** (tine__executor_dispatch), and for the rest the manager thread (tine__executor_manage). Threads
** that only look or submit take in results, too, but call nothing; they end with
** tine__executor_leave.
*/
#ifndef TINE_POOL_EXECUTOR_H
#define TINE_POOL_EXECUTOR_H

#include <pthread.h>
#include <stdatomic.h>
#include "pool/pool.h"
#include "tine.h"

struct tine_pool {
    atomic_uint refs;
    struct pool *core;
    pthread_mutex_t lock;             /* of `calling` */
    pthread_cond_t quiet;             /* it has become 0 */
    unsigned calling;                 /* threads inside tine__executor_dispatch */
    _Atomic(struct failure *) reason; /* why it is broken, when somebody has asked */
};

struct tine_future {
    atomic_uint refs;
    struct item item;
    struct outcome outcome;
    struct tine_pool *pool;
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
    char *label;
    const struct codec_stored *origin; /* held for its name; NULL: it has a label */
    _Atomic(char *) message;           /* made when asked for */
    _Atomic(char *) traceback;
};

/* --- executor.c --- */

void tine__executor_ref(struct tine_pool *pool);
void tine__executor_unref(struct tine_pool *pool);
/* tine__now() after so many seconds; negative: WAIT_FOREVER. False: NaN. */
bool tine__deadline(double timeout, uint64_t *deadline);
/* Copy as much of the caller's struct (of whatever version, its size in the first field) as there
** is room for. `least`: what its first version had. False: it has not even that, or more than we
** know. */
bool tine__read_struct(void *ours, size_t size, const void *given, size_t least);
/* The other way. */
bool tine__write_struct(void *given, size_t least, void *ours, size_t size);

/* --- future.c --- */

/* tine_submit of a call whose argument segment is there already (NULL: made from the task's
** `args`). */
int tine__executor_submit(struct tine_pool *pool, const tine_task *task,
                          const struct buf *arguments, tine_future **out);

/* --- callbacks.c --- */

/* Take what is done from the pool's list: callbacks, references. The number of callbacks called. */
size_t tine__executor_dispatch(struct tine_pool *pool);
/* The same by the manager thread (pool_options.on_done). */
size_t tine__executor_manage(struct pool *p);
/* After taking in results without dispatching: nothing stays in the list that nobody would come
** for. */
void tine__executor_leave(struct tine_pool *pool);
/* Wait until no other thread is in a callback. False: the deadline has passed. */
bool tine__executor_await_quiet(struct tine_pool *pool, uint64_t deadline);
/* Is this a callback of this pool? */
bool tine__executor_is_calling(const struct tine_pool *pool);
/* Is this a callback that its manager thread calls? */
bool tine__executor_is_managing(const struct tine_pool *pool);

#endif
