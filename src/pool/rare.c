/* The parts that few items have (item.h). */
#include "base/sys.h"
#include "pool/internal.h"

struct item_rare *tine__item_need_rare(struct item *item) {
    struct item_rare *rare = item_rare(item);
    if (rare || !(rare = sys.calloc(1, sizeof *rare)))
        return rare;
    rare->item = item;
    list_init(&rare->question);
    list_init(&rare->heard);
    list_init(&rare->dependents);
    list_init(&rare->following);
    list_init(&rare->children);
    /* Release order: the owner reads its own part without the lock. */
    atomic_store_explicit(&item->rare, rare, memory_order_release);
    return rare;
}
