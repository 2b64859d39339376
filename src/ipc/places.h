/* Places: where in the file of the call queue (ipc/queue.h) each item's bytes lie. The submitter's private knowledge.
**
** Most calls are small: there are slots of two sizes, as many of either as there may be items. Numbers of items go
** round and round; places do not follow them: the one that became free last is taken first, so a queue that is short
** stays within a few pages, and these are in the caches. Which place an item has is said in the file that workers only
** read.
**
** A place is free again when the item's word in the queue is FREE. That is looked for in the order of the items, and
** only when no place is known to be free. A worker that was condemned may still be reading: its place is kept until
** the worker is buried.
*/
#ifndef TINE_IPC_PLACES_H
#define TINE_IPC_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/queue.h"

#define PLACE_LEFT 0x8000u   /* the item has left it */
#define PLACE_LIFTED 0x8000u /* of an item: its place is to be that of another one */

/* Those of one size. */
struct places_of_size {
    unsigned fresh; /* so many have ever been used */
    unsigned nfree;
    uint16_t free[QUEUE_SLOTS]; /* a stack */
};

struct places {
    uint64_t left;                  /* items before this one have left their places */
    struct places_of_size sizes[2]; /* whole slots, then small ones */
    unsigned nkept;
    uint16_t kept[2 * QUEUE_SLOTS]; /* by place, for which worker (| PLACE_LEFT), or 0 */
    uint32_t ref[QUEUE_SLOTS];      /* by item: what it was put with */
};

/* All is free, and the first item will be this one. NULL: no memory. */
struct places *tine__places_new(uint64_t first);
/* A place for the item `tail`, which has so many bytes beside its head. False: there is none. */
bool tine__places_take(struct queue *q, uint64_t tail, uint64_t length, unsigned *place);
/* Is there a number for each of so many items from `tail` on? */
bool tine__places_room(struct queue *q, uint64_t tail, unsigned n);
/* What lies in the place of item `seq`, which nobody will take, stays there, and is item `tail` from when that is said on. */
void tine__places_lift(struct queue *q, uint64_t seq);
void tine__places_pass_on(struct queue *q, uint64_t seq, uint64_t tail);
/* The worker that has this item is going to be killed. */
void tine__places_keep(struct queue *q, uint64_t seq, unsigned worker);
/* It is dead. */
void tine__places_bury(struct queue *q, unsigned worker);

#endif
