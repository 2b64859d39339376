#include "pool/pieces.h"

#include <string.h>
#include "base/sys.h"
#include "pool/internal.h"

void tine__deliver_printed(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    uint64_t k = t ? r->id - t->call.id : 0;
    struct item_rare *rare = t && k < t->call.count ? tine__item_need_rare(item_of(t)) : NULL;
    struct piece *piece = rare ? sys.malloc(sizeof *piece + r->length) : NULL;
    if (!piece)
        return;
    *piece = (struct piece){.k = (uint32_t)k, .to = (uint32_t)r->number, .length = r->length};
    memcpy(piece->bytes, r->bytes, r->length);
    if (rare->pieces)
        rare->last_piece->next = piece;
    else
        rare->pieces = piece;
    rare->last_piece = piece;
    tine__inbox_post(rare->item->inbox, rare->item);
}

static struct piece *take(struct item_rare *rare) {
    struct piece *piece = rare ? rare->pieces : NULL;
    if (piece)
        rare->pieces = piece->next;
    return piece;
}

struct piece *tine__item_piece(struct pool *p, struct item *item) {
    if (!item_rare(item) || tine__pool_is_forked(p))
        return NULL;
    pthread_mutex_lock(&p->lock);
    struct piece *piece = take(item_rare(item));
    pthread_mutex_unlock(&p->lock);
    return piece;
}

void tine__item_written(struct pool *p, struct item *item, uint64_t bytes) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p) && p->site->ops->written &&
        sched_sent(&p->s, item->task.call.ref) == &item->task)
        p->site->ops->written(p->site, item->task.call.ref, bytes);
    pthread_mutex_unlock(&p->lock);
}

void tine__pieces_free(struct item_rare *rare) {
    struct piece *piece;
    while ((piece = take(rare)) != NULL)
        free(piece);
}
