/* Events: what the tasks of an item have emitted (tine.worker.emit), from when it comes until its owner reads it.
**
** HOW MANY ARE KEPT. Of each task at most `event_buffer`; then it waits, in its worker, until one is read. Not while a
** thread waits for its end, and not when its events can be read by nobody: then they are dropped. What its worker may
** write is granted event by event (site_ops.grant), so nobody asks and nobody answers.
**
** WHO WAITS FOR WHAT. A thread that waits for ends of tasks lets those go on that stand (tine__events_loosen), whenever
** it is woken; when the last such thread leaves, all hold again (tine__events_tighten). It need not be that very task's
** end: what waits for a worker may wait for one whose task stands.
**
** They are counted: by the item while it is not released, and by each owner that reads. All is guarded by the pool's lock,
** and so they hold the pool.
*/
#ifndef TINE_POOL_EVENTS_H
#define TINE_POOL_EVENTS_H

#include <stdbool.h>
#include <stdint.h>
#include "pool/outcome.h"

struct events;
struct item;
struct pool;

/* Those of an item that is in flight, or a follower's; made if there are none yet. A reference for the caller; NULL: no
** memory. */
struct events *tine__item_events(struct pool *p, struct item *item);
/* Takes NULL. */
void tine__events_unref(struct events *e);

/* Take the oldest that was not read: an outcome with values, of task *k, to be freed. False: there is none. */
bool tine__events_take(struct events *e, struct outcome *out, uint32_t *k);
/* Of an item from another machine: task `k`, which has emitted some, may emit so many in all (SITE_NO_EVENTS: nobody wants
** them); at first item->event_buffer. */
void tine__events_allow(struct pool *p, struct item *item, uint32_t k, uint64_t number);
/* How many there are to be taken just now. */
uint64_t tine__events_unread(struct events *e);
/* Somebody reads them, and will go on: a task stands for him also when its pool was shut down. */
void tine__events_read(struct events *e);
/* Somebody waits for the end of the item, and no thread stands for him (or: not any more). */
void tine__events_await(struct events *e, bool awaits);
/* Nobody can read them any more, if the caller's reference is the last but the item's: what is there, and what comes, is
** dropped. */
void tine__events_drop(struct events *e);

/* Somebody is about to shut the pool down and to wait for its end (or: not any more). */
void tine__events_await_end(struct pool *p, bool awaits);

/* A thread is about to wait in a pool, which has tasks that stand, for ends of which `waits` knows, called under the lock
** (NULL: for all). To be followed by tine__events_tighten, when it waits no more; *loose: it is to be, and false at
** first. */
void tine__events_loosen(struct pool *p, bool (*waits)(const struct item *item, const void *arg),
                         const void *arg, bool *loose);
void tine__events_tighten(struct pool *p, bool *loose);
/* Such a `waits`, of who waits for no end. */
bool tine__events_no_end(const struct item *item, const void *arg);
/* Are there tasks in it, all of which wait for what others are to give, and no time at which that would change? */
bool tine__pool_is_stuck(struct pool *p);
/* Are there tasks in it that wait for something other than a worker? What that is may be in any pool. */
bool tine__pool_holds(struct pool *p);
/* Do tasks stand in it, because nobody reads what they emit? One load. */
bool tine__events_stand(const struct pool *p);
/* So many times one has begun to. A thread that has asked whether any stands, and is about to lie down, may have missed one
** that another thread has heard of: it is to ask again when this has changed (wait_hook.ready). */
uint32_t tine__events_stood(const struct pool *p);

#endif
