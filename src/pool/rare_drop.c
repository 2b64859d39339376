/* Freeing the parts that few items have. Apart from rare.c, because what frees the parts needs
** tine__item_need_rare. */
#include <stdlib.h>
#include "pool/internal.h"

void tine__item_drop_rare(struct item *item) {
    struct item_rare *rare = item_rare(item);
    if (!rare)
        return;
    list_remove(&rare->question);
    list_remove(&rare->heard);
    tine__events_unref(rare->events);
    tine__attempts_free(rare->attempts);
    free(rare->told);
    tine__printed_unref(rare->printed);
    tine__pieces_free(rare);
    free(rare->ran);
    atomic_store_explicit(&item->rare, NULL, memory_order_relaxed);
    free(rare);
}
