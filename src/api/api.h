/* The C library's pools and futures (include/tine.h) on top of the pool.
**
** REFERENCES. The opener holds the tine_pool, and so does each future; a future is held by its user and
** by the task under way, whose reference goes when its item has been taken from the library's inbox and
** its callback has been called.
**
** CALLBACKS. Whatever enters the library and takes in results empties the inbox: futures without a
** callback lose their task's reference at once, those with one go into the pool's list of due ones.
** Threads that wait or dispatch call those; who only submits or looks leaves them there and reminds the
** inbox, so that somebody comes for them: a thread that waits, the program's event loop, and where there
** is none the manager thread.
**
** FILES, each of which knows only those before it:
**
**     structs.c, plain.c, encode.c   what programs hand over
**     refs.c                         references
**     callbacks.c                    the inbox, and what is due
**     text.c, outcome.c              how futures have ended
**     settings.c, options.c, pool.c  pools, and how their tasks are to be run
**     look.c                         what they do
**     submit.c, follow.c, future.c   tasks and futures
*/
#ifndef TINE_API_API_H
#define TINE_API_API_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/error.h"
#include "pool/pool.h"
#include "site/far/far.h"

struct tine_pool {
    atomic_uint refs;
    struct pool *core;
    struct inbox inbox;
    char *name;
    atomic_uint workers;     /* as it was opened with, or resized to */
    pthread_mutex_t lock;    /* of what follows; held while the inbox is emptied */
    pthread_cond_t quiet;    /* `calling` has become 0 */
    struct list due;         /* items (by `news`) whose callbacks are to be called */
    unsigned calling;        /* threads inside tine__api_dispatch */
    _Atomic(char *) message; /* why it is broken, when somebody has asked */
};

struct tine_future {
    atomic_uint refs;
    struct item item;
    struct outcome outcome;
    struct events *events; /* once they were asked for, */
    struct outcome event;  /* the one that was read last */
    struct tine_pool *pool;
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
    char *label;
    struct settings *settings;         /* NULL: the pool's */
    const struct codec_stored *origin; /* held for its name; NULL: it has a label */
    _Atomic(char *) message;           /* made when asked for */
    _Atomic(char *) traceback;
};

/* 0 when the handle may be used. */
static inline int pool_check(const tine_pool *pool) {
    if (!pool)
        return TINE_EARG;
    return tine__pool_is_forked(pool->core) ? TINE_EFORKED : 0;
}

static inline int future_check(const tine_future *f) {
    return f ? pool_check(f->pool) : TINE_EARG;
}

/* States of workers that are made from now on have the module (bind/embed.c); tine_prepare does that, too. */
void tine__api_dress(void);

/* --- pool.c --- */

/* See to it that tine_error_detail is about this failure, of which errno tells with TINE_ESYSTEM. */
void tine__api_explain(int err);

/* --- refs.c --- */

void tine__api_ref(struct tine_pool *pool);
void tine__api_unref(struct tine_pool *pool);

/* --- callbacks.c --- */

/* Empty the inbox, in a thread that calls no callbacks. */
void tine__api_collect(struct tine_pool *pool);
/* Empty the inbox and call the callbacks that are due. Their number. */
size_t tine__api_dispatch(struct tine_pool *pool);
/* Take in results, dispatch and sleep until `met` or the deadline. `ends` says whose ends are waited for (NULL: all), so
** that they go on though nobody reads what they emit. 0, TINE_ETIMEOUT; TINE_EAGAIN: a signal handler ran. */
int tine__api_wait(struct tine_pool *pool, bool (*met)(void *arg),
                   bool (*ends)(const struct item *item, const void *arg), void *arg,
                   uint64_t deadline);
/* Wait until nothing is due and no other thread is in a callback. False: the deadline has passed. */
bool tine__api_await_quiet(struct tine_pool *pool, uint64_t deadline);
/* Is this a callback of this pool? */
bool tine__api_is_calling(const struct tine_pool *pool);
/* Is this a callback that its manager thread calls? */
bool tine__api_is_managing(const struct tine_pool *pool);
/* inbox.on_news */
void tine__api_manage(struct inbox *inbox);

/* --- text.c --- */

/* The msgpack bytes of a result segment; NULL: it has none. */
const void *tine__api_body(const char *segment, size_t whole, size_t *length);
/* Of such a segment (NULL: none) with [error, traceback]: its parts as texts, to be freed. The first is NULL where there is
** none; or out of memory. */
char *tine__api_error_text(const char *segment, size_t whole);
char *tine__api_traceback_text(const char *segment, size_t whole);
/* Its message, and what caused it. NULL: out of memory. */
char *tine__api_failure_text(const struct failure *f);
/* Put a text that was made (NULL: out of memory) into an empty slot, once; which one is there. */
const char *tine__api_keep_text(_Atomic(char *) *slot, char *made);

/* --- settings.c --- */

/* A limit: what the clock cannot tell is none, which is 0 here. */
uint64_t tine__api_limit(double seconds);
/* How the task is to be run where it says so, else *out is NULL; a new one, counted once, over those of `from`. 0 or
** TINE_ENOMEM. */
int tine__api_settings(const tine_task *task, const struct settings *from, struct settings **out);
/* Those of a pool's tasks. 0 or TINE_ENOMEM. */
int tine__api_defaults(const tine_options *o, struct settings **out);

/* --- submit.c --- */

/* A future for a task that is described so, with a reference for the caller and one for the task. NULL: out of
** memory. */
struct tine_future *tine__api_future(struct tine_pool *pool, const tine_task *task);
/* --- follow.c --- */

/* A future for a task that another owner has submitted on the same pool: it ends when `leader` does
** (tine__item_follow), or (leader NULL) has ended like this. NULL: out of memory, or a forked child. */
struct tine_future *tine__api_follow(struct tine_pool *pool, const char *label, struct item *leader,
                                     const struct outcome *ended);

/* --- far.c --- */

/* Where its workers are, if they are on other machines (`backend` is set). 0; TINE_EARG: an address, key, or option that
** does not go with it. */
int tine__api_far(const tine_options *o, struct far_options *out);
/* Do options say how to reach other machines? Without `backend` they would do nothing. */
bool tine__api_means_far(const tine_options *o);

/* --- options.c --- */

/* What the pool is to be told, borrowing from `given` (NULL: the defaults) and `calls`, which holds what is
** encoded; the caller frees it also on failure. *trace: where it is to be traced to, as `given` says; `far` is
** for what it says of other machines. 0, TINE_EARG, TINE_ENOMEM. */
int tine__api_options(const tine_options *given, struct pool_options *out, struct far_options *far,
                      struct buf *calls, const char **trace);
/* A time-out as a deadline: negative none. False: NaN. */
bool tine__api_deadline(double timeout, uint64_t *deadline);

#endif
