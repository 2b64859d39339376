/* Needs: results of other tasks that a task is to be given, in place of some of its arguments.
**
** Its item is HELD by the scheduler until all of them are there. Those of tasks of the same pool (leaders) come by
** themselves, their bytes as they are; others are given by the item's owner. The first that has failed fails the
** item. What was given lies behind the call's argument segment, for each a position (u32, from 0) and a result
** segment, whose first value is meant.
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
    struct list node;    /* in leader->dependents, or pool->met */
    struct item *item;   /* whose it is */
    struct item *leader; /* in flight, or NULL: it is given */
    uint32_t position;
    struct outcome got; /* NONE: not yet */
};

struct needs {
    uint32_t n, missing;
    struct need list[];
};

/* For so many, which the caller describes by `position`, and `leader` or `got`. NULL: no memory. */
struct needs *tine__needs_new(uint32_t n);
/* Of an item that was not submitted; takes NULL. No lock held. */
void tine__needs_free(struct needs *needs);

/* The owner gives one: a result segment, with what it names, which the item holds from then on (`cb` is still to be
** dropped); or (`fails`) what the item is to end with. Harmless when it has ended. */
struct call_buf;
void tine__item_give(struct pool *p, struct item *item, uint32_t position, struct call_buf *cb);
void tine__item_fail(struct pool *p, struct item *item, int code, const char *text, size_t length);

/* Nobody will give anything any more: an item that waits for that is cancelled. Whether it did. */
bool tine__item_ungiven(struct pool *p, struct item *item);

/* --- the pool's side, under its lock --- */

/* The need at this position that its owner is to meet, and has not; or NULL. */
struct need *tine__need_find(struct item *item, uint32_t position);
/* gifts.c: those whose leaders have ended have it. */
COLD void tine__needs_settle(struct pool *p);
void tine__need_give(struct pool *p, struct item *item, uint32_t position, struct call_buf *cb);
void tine__needs_fail(struct pool *p, struct item *item, int code, const char *text, size_t length);
/* The item is in, and HELD: what is there already is taken. */
COLD void tine__needs_begin(struct pool *p, struct item *item);
/* The item has ended: those that need it are to have it. */
COLD void tine__needs_meet(struct pool *p, struct item *item);
/* The item needs nothing any more. */
COLD void tine__needs_drop(struct pool *p, struct item *item);

#endif
