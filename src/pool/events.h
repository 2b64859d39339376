/* Events: what the tasks of an item emit (tine.worker.emit), kept until the item's owner reads it.
**
** LIMIT. At most `event_buffer` unread events are kept for each task. A task that has reached the
** limit *stands*: it waits in its worker until one of its events is read. It does not stand while a
** thread waits for its end, nor when nobody can read its events: these are then dropped. The pool
** grants a worker how many events it may write (site_ops.grant), so reaching the limit needs no
** messages.
**
** LOOSENING. A thread that waits for ends of tasks exempts standing tasks from the limit whenever
** it wakes (tine__events_loosen); when the last such thread leaves, the limit holds for all again
** (tine__events_tighten). A loosened task need not be the one whose end is awaited: that one may
** wait for a worker that is held by a task that stands.
**
** A struct events is reference-counted: the item holds it until the item is released, and so does
** each owner that reads it. It is guarded by the pool's lock, and holds the pool. The functions
** take the lock themselves.
*/
#ifndef TINE_POOL_EVENTS_H
#define TINE_POOL_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "pool/outcome.h"

struct events;
struct item;
struct pool;

/* The events of an item in flight, or of a follower; made if there are none yet. The caller gets a
** reference. NULL: no memory, or a forked child. */
struct events *tine__item_events(struct pool *p, struct item *item);
/* NULL is allowed. */
void tine__events_unref(struct events *e);

/* Take the oldest unread event: *out has its values, which the caller frees, and *k is the task.
** False: there is none. */
bool tine__events_take(struct events *e, struct outcome *out, uint32_t *k);
/* For an item from another machine: task `k`, which has emitted an event, may emit this number of
** events in total (SITE_NO_EVENTS: nobody wants them). Before that the number is
** item->event_buffer. */
void tine__events_allow(struct pool *p, struct item *item, uint32_t k, uint64_t number);
/* The number of unread events. */
uint64_t tine__events_unread(struct events *e);
/* The owner reads the events and will go on: the tasks may stand also after the pool was shut
** down. */
void tine__events_read(struct events *e);
/* A thread that never calls tine__events_loosen begins (true) or stops (false) to wait for the
** item's end. */
void tine__events_await(struct events *e, bool awaits);
/* Drop all events, now and in the future, if the caller holds the last reference but the item's:
** then nobody can read them. */
void tine__events_drop(struct events *e);

/* A thread begins (true) or stops (false) to shut the pool down and wait for its end. */
void tine__events_await_end(struct pool *p, bool awaits);

/* To be called before a thread waits in a pool in which tasks stand (tine__events_stand). Exempts
** those from the limit for whose items `waits` returns true, and all if NULL or if all workers are
** busy while tasks wait for one; `waits` is called under the lock. *loose, at first false, is set
** if tine__events_tighten must be called when the thread no longer waits. */
void tine__events_loosen(struct pool *p, bool (*waits)(const struct item *item, const void *arg),
                         const void *arg, bool *loose);
void tine__events_tighten(struct pool *p, bool *loose);
/* A `waits` for threads that wait for no end. */
bool tine__events_no_end(const struct item *item, const void *arg);
/* Is the pool stuck: do all its tasks wait for results that their owners are to give, with no timer
** running that could end one? */
bool tine__pool_is_stuck(struct pool *p);
/* Do tasks of the pool wait for something other than a worker? That may come from any pool. */
bool tine__pool_holds(struct pool *p);
/* Do tasks of the pool stand? One load. */
bool tine__events_stand(const struct pool *p);
/* How many times a task has begun to stand. A thread that has checked tine__events_stand and is
** about to sleep may have missed a task that another thread has learned of: it must check again if
** this number has changed (wait_hook.ready). */
uint32_t tine__events_stood(const struct pool *p);

#endif
