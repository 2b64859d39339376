/* Items of a pool's tasks: of those in flight in one Lua state, and some to be used again. There may be a great many, and
** each is too large for the quick bins of malloc, so they are made in blocks. Under no lock: they are one state's.
*/
#ifndef TINE_BIND_ITEMS_H
#define TINE_BIND_ITEMS_H

#include "base/list.h"
#include "pool/item.h"

struct items {
    struct list blocks; /* that have free ones; who was given one back last is first */
    unsigned nfree;     /* in all of them */
    unsigned most;      /* beyond so many, blocks that are all free are given back */
};

void tine__items_init(struct items *s);
/* One in whatever state it was given back; NULL: no memory. */
struct item *tine__items_take(struct items *s);
void tine__items_put(struct items *s, struct item *item);
/* Keep none any more: blocks go with the last of theirs. */
void tine__items_close(struct items *s);

#endif
