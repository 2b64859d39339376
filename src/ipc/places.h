/* Places: which slot of the call queue (ipc/queue.h) holds the bytes of each item. Private to the
** submitter, and called under its lock.
**
** Most calls are small, so there are slots of two sizes, and as many of each as there may be items.
** Sequence numbers go round; places do not follow them: the place freed last is taken first, so a
** short queue stays within a few pages, which stay in the caches. The place of an item is published
** in the file that workers only read.
**
** A place is free again when the item's state word is FREE. That is checked in the order of the
** items, and only when no free place is known. A worker that was condemned may still be reading:
** its place is kept until the worker is buried.
*/
#ifndef TINE_IPC_PLACES_H
#define TINE_IPC_PLACES_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/queue.h"

#define PLACE_LEFT 0x8000u   /* the item has left the place */
#define PLACE_PASSED 0x8000u /* in the place of an item: the place has passed on to another item */

/* The places of one size. */
struct places_of_size {
    unsigned fresh; /* number of places ever used */
    unsigned nfree;
    uint16_t free[QUEUE_SLOTS]; /* stack of free places */
};

struct places {
    uint64_t left;                  /* all items before this one have left their places */
    struct places_of_size sizes[2]; /* whole slots, then small ones */
    unsigned nkept;
    uint16_t kept[2 * QUEUE_SLOTS]; /* by place: the worker it is kept for (| PLACE_LEFT), or 0 */
    uint32_t ref[QUEUE_SLOTS];      /* by item: the ref of its call */
};

/* Everything is free; `first` is the sequence number of the first item. NULL: no memory. */
struct places *tine__places_new(uint64_t first);
/* Find a place for item `tail`, which has `length` bytes beside its head. False: there is none. */
bool tine__places_take(struct queue *q, uint64_t tail, uint64_t length, unsigned *place);
/* Is the sequence number `tail` free? */
bool tine__places_room(struct queue *q, uint64_t tail);
/* Item `seq` was withdrawn: its place, and its ref, become those of item `tail`. */
void tine__places_pass_on(struct queue *q, uint64_t seq, uint64_t tail);
/* The worker that has this item is going to be killed: keep the place. */
void tine__places_keep(struct queue *q, uint64_t seq, unsigned worker);
/* The worker is dead: free the places that were kept for it. */
void tine__places_bury(struct queue *q, unsigned worker);

#endif
