/* The C library (include/tine.h) on top of the pool: its handles, and what its files share.
**
** REFERENCES. The program holds a tine_pool until tine_pool_close, and each future holds it. The
** program holds a future until tine_future_free, and the unfinished task holds it: that reference
** is dropped when the item was taken from the library's inbox and its callback has returned.
**
** CALLBACKS. Every function that takes in results empties the inbox. Futures without a callback
** lose their task's reference at once; the others go into the pool's list of due callbacks. Threads
** that wait or dispatch call these. Functions that only submit or look leave them in the list and
** remind the inbox, so that a thread that waits, the program's event loop, or else the manager
** thread comes for them.
**
** FILES, each of which knows only those before it:
**
**     structs.c, plain.c, encode.c   structs, arguments and functions passed in by the program
**     unread.c                       what keeps the descriptor readable
**     refs.c                         references
**     callbacks.c                    the inbox, callbacks that are due
**     text.c, outcome.c              how futures have ended
**     settings.c, options.c, pool.c  pools, and settings of their tasks
**     look.c                         statistics and workers
**     submit.c, follow.c, future.c   tasks and futures
*/
#ifndef TINE_API_API_H
#define TINE_API_API_H

#include <pthread.h>
#include <stdatomic.h>
#include "base/error.h"
#include "base/hot.h"
#include "pool/pool.h"
#include "site/far/far.h"

struct tine_pool {
    atomic_uint refs;
    struct pool *core;
    struct inbox inbox;
    char *name;
    atomic_uint workers;     /* number at opening, or after the last resize */
    pthread_mutex_t lock;    /* guards what follows; held while the inbox is emptied */
    pthread_cond_t quiet;    /* signalled when `calling` becomes 0 */
    struct list due;         /* items (by `news`) whose callbacks are due */
    unsigned calling;        /* number of threads inside tine__api_dispatch */
    bool untold;             /* news was taken by a call that neither dispatches nor waits */
    struct list unread;      /* futures (by `unread`) with events that the program has to read */
    uint64_t dispatches;     /* number of calls of tine_pool_dispatch */
    bool held;               /* tine__inbox_hold */
    _Atomic(char *) message; /* of tine_pool_message, made when first asked for */
};

struct tine_future {
    atomic_uint refs;
    struct item item;
    struct outcome outcome;
    struct events *events; /* NULL until the first tine_future_next_event */
    struct outcome event;  /* the event that was given last */
    /* The program reads the events, and is in no tine_future_next_event now. Changed under the
    ** pool's lock, as are the two below. */
    atomic_bool reads;
    struct list unread; /* in pool->unread */
    uint64_t since;     /* pool->dispatches when it came there */
    struct tine_pool *pool;
    void (*done)(tine_future *future, void *arg);
    void *done_arg;
    char *label;
    struct settings *settings; /* NULL: the pool's */
    /* Held for the function's name; NULL: the future has a label. */
    const struct codec_stored *origin;
    _Atomic(char *) message; /* made when first asked for */
    _Atomic(char *) traceback;
};

/* 0 if the handle may be used, else TINE_EARG or TINE_EFORKED. */
static inline int pool_check(const tine_pool *pool) {
    if (!pool)
        return TINE_EARG;
    return tine__pool_is_forked(pool->core) ? TINE_EFORKED : 0;
}

static inline int future_check(const tine_future *f) {
    return f ? pool_check(f->pool) : TINE_EARG;
}

/* Let the states of workers that are made from now on have the module (bind/embed.c). Called by
** tine_prepare, too. */
void tine__api_dress(void);

/* --- pool.c --- */

/* Make tine_error_detail describe this failure; with TINE_ESYSTEM errno must still be set. */
void tine__api_explain(int err);

/* --- unread.c --- */

/* These two are called with the pool's lock held. All news was taken from the inbox; `told`: by a
** call that dispatches or waits. */
void tine__unread_all(struct tine_pool *pool, bool told);
/* The future's item was taken from the inbox. */
void tine__unread_item(tine_future *f);
/* tine_pool_dispatch is called. */
void tine__unread_age(struct tine_pool *pool);
/* A thread begins and ends a tine_future_next_event that returns `code`. */
void tine__unread_begin(tine_future *f);
void tine__unread_end(tine_future *f, int code);
/* The program has learned of the future's end, or (forget) has no reference to it any more. */
COLD void tine__unread_ended(tine_future *f);
COLD void tine__unread_forget(tine_future *f);

static inline void future_told(tine_future *f) {
    if (atomic_load_explicit(&f->reads, memory_order_relaxed))
        tine__unread_ended(f);
}

/* --- refs.c --- */

void tine__api_ref(struct tine_pool *pool);
void tine__api_unref(struct tine_pool *pool);

/* --- callbacks.c --- */

/* Empty the inbox, in a function that calls no callbacks. */
void tine__api_collect(struct tine_pool *pool);
/* Empty the inbox and call the callbacks that are due, for a thread of the program. Returns their
** number. */
size_t tine__api_dispatch(struct tine_pool *pool);
/* Take in results, dispatch and sleep until `met` returns true or the deadline has passed. `ends`
** tells which items' ends the thread waits for (NULL: all), see tine__events_loosen. 0;
** TINE_ETIMEOUT; TINE_EAGAIN: a signal handler ran. */
int tine__api_wait(struct tine_pool *pool, bool (*met)(void *arg),
                   bool (*ends)(const struct item *item, const void *arg), void *arg,
                   uint64_t deadline);
/* Wait until no thread is in a callback. False: the deadline has passed. */
bool tine__api_await_quiet(struct tine_pool *pool, uint64_t deadline);
/* Is the calling thread in a callback of this pool? */
bool tine__api_is_calling(const struct tine_pool *pool);
/* Is the calling thread the pool's manager thread, in a callback? */
bool tine__api_is_managing(const struct tine_pool *pool);
/* The inbox's on_news. */
void tine__api_manage(struct inbox *inbox);

/* --- text.c --- */

/* The msgpack body of a result segment. NULL: there is none. */
const void *tine__api_body(const char *segment, size_t whole, size_t *length);
/* For a result segment with [error, traceback], or NULL: its parts as texts, to be freed. The first
** function returns NULL if there is no error, or no memory. */
char *tine__api_error_text(const char *segment, size_t whole);
char *tine__api_traceback_text(const char *segment, size_t whole);
/* The failure's message with its cause, to be freed. NULL: no memory. */
char *tine__api_failure_text(const struct failure *f);
/* Store a text, which is taken over, in an empty slot unless another thread was first. Returns the
** text in the slot; without memory (`made` NULL) a static text. */
const char *tine__api_keep_text(_Atomic(char *) *slot, char *made);

/* --- settings.c --- */

/* A limit in ns. 0: none, also for times beyond the clock's range. */
uint64_t tine__api_limit(double seconds);
/* The task's settings, based on `from`: *out is new with one reference, or NULL if the task has no
** settings of its own. 0 or TINE_ENOMEM. */
int tine__api_settings(const tine_task *task, const struct settings *from, struct settings **out);
/* The settings of a pool's tasks. 0 or TINE_ENOMEM. */
int tine__api_defaults(const tine_options *o, struct settings **out);

/* --- submit.c --- */

/* A future for this task, with one reference for the caller and one for the task. NULL: no
** memory. */
struct tine_future *tine__api_future(struct tine_pool *pool, const tine_task *task);
/* --- follow.c --- */

/* A future for a task that another owner submitted to the same pool. It ends when `leader` does
** (tine__item_follow), or with NULL has ended with this outcome. NULL: no memory, or a forked
** child. */
struct tine_future *tine__api_follow(struct tine_pool *pool, const char *label, struct item *leader,
                                     const struct outcome *ended);

/* --- far.c --- */

/* Read the options of a pool with a backend. 0; TINE_EARG: a wrong address or key, or an option
** that cannot go with a backend. */
int tine__api_far(const tine_options *o, struct far_options *out);
/* Are options set that need a `backend`? */
bool tine__api_means_far(const tine_options *o);

/* --- options.c --- */

/* Translate the program's options (NULL: the defaults). *out borrows from `given`, from `far`,
** which is filled in for a backend, and from `calls`, which gets the encoded chunks; the caller
** frees `calls`, also on failure. *trace is the trace file of `given`. 0, TINE_EARG,
** TINE_ENOMEM. */
int tine__api_options(const tine_options *given, struct pool_options *out, struct far_options *far,
                      struct buf *calls, const char **trace);
/* Turn a timeout into a deadline; negative: none. False: it is NaN. */
bool tine__api_deadline(double timeout, uint64_t *deadline);

#endif
