/* Needs: results of other tasks that a task gets in place of some of its arguments.
**
** The task's item is HELD by the scheduler until all results are there. Results of tasks of the
** same pool (leaders) are filled in by the pool, as bytes; the item's owner gives all others. The
** first result that is a failure fails the item. The results are put behind the call's argument
** segment: for each a position (u32, from 0) and a result segment, of which the first value is
** used.
*/
#ifndef TINE_POOL_NEEDS_H
#define TINE_POOL_NEEDS_H

#include <stdint.h>
#include "base/hot.h"
#include "base/list.h"
#include "pool/outcome.h"

struct pool;
struct item;

struct need {
    struct list node;  /* in the `dependents` of its leader, or in pool->met */
    struct item *item; /* the item that needs the result */
    /* The unfinished item whose result is needed; NULL: the owner gives the result. */
    struct item *leader;
    uint32_t position;
    struct outcome got; /* the result; NONE: not yet there */
};

struct needs {
    uint32_t n, missing;
    struct need list[];
};

/* Needs for `n` results. The caller sets each one's `position`, and `leader` or `got`. NULL: no
** memory. */
struct needs *tine__needs_new(uint32_t n);
/* Free the needs of an item that was not submitted. NULL is allowed. No lock held. */
void tine__needs_free(struct needs *needs);

/* The item's owner gives one result: a result segment in `cb` with what it names, which the item
** holds from then on (the caller still drops `cb`). Does nothing if the item has ended. Takes the
** pool's lock. */
struct call_buf;
void tine__item_give(struct pool *p, struct item *item, uint32_t position, struct call_buf *cb);
/* The owner's result is a failure: end the item with it, a result segment [error value, traceback]
** in `cb`, likewise. Returns whether it did. */
bool tine__item_give_error(struct pool *p, struct item *item, struct call_buf *cb);
/* The owner cannot give a result: end the item with this error. Does nothing if the item has ended.
** Takes the pool's lock. */
void tine__item_fail(struct pool *p, struct item *item, int code, const char *text, size_t length);

/* The owner will give no more results: cancel the item if it waits for one. Returns whether it
** did. */
bool tine__item_ungiven(struct pool *p, struct item *item);

/* --- for the pool, under its lock --- */

/* The need at this position whose result the owner has not given yet; or NULL. */
struct need *tine__need_find(struct item *item, uint32_t position);
/* gifts.c: fill in the results of leaders that have ended. */
COLD void tine__needs_settle(struct pool *p);
void tine__need_give(struct pool *p, struct item *item, uint32_t position, struct call_buf *cb);
bool tine__need_give_error(struct pool *p, struct item *item, struct call_buf *cb);
void tine__needs_fail(struct pool *p, struct item *item, int code, const char *text, size_t length);
/* The item was submitted and is HELD: fill in the results that are already there. */
COLD void tine__needs_begin(struct pool *p, struct item *item);
/* The item has ended: put the needs for its result into pool->met. */
COLD void tine__needs_meet(struct pool *p, struct item *item);
/* Free the needs of the item. */
COLD void tine__needs_drop(struct pool *p, struct item *item);

#endif
