/* A pool of memory for items (pool/item.h): those in flight in one core, and some to be reused.
** There may be very many, and each is larger than malloc's fast bins, so they are allocated in
** blocks. Not locked: used only by the thread of the Lua state.
*/
#ifndef TINE_BIND_ITEMS_H
#define TINE_BIND_ITEMS_H

#include "base/list.h"
#include "pool/item.h"

struct items {
    struct list blocks; /* blocks with free items, the one used last first */
    unsigned nfree;     /* free items in all blocks */
    unsigned most;      /* beyond this number, blocks without used items are freed */
};

void tine__items_init(struct items *s);
/* An item in the state in which it was put back; NULL: no memory. */
struct item *tine__items_take(struct items *s);
void tine__items_put(struct items *s, struct item *item);
/* Keep no more free items: each block is freed with its last item. */
void tine__items_close(struct items *s);

#endif
