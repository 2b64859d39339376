/* The bytes of an item's call: in private memory, or a block of the call heap. */
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/internal.h"

static void free_block(struct pool *p, uint64_t block) {
    if (!tine__store_free(p->store, block) || p->tidy_at)
        return;
    p->tidy_at = tine__now() + HEAP_REST;
    tine__wakeup_send(&p->wakeup);
}

void tine__item_free_bytes(struct pool *p, struct item *item) {
    if (item->task.call.offset)
        free_block(p, item->task.call.offset);
    else
        item_forget_bytes(item);
    item->task.call.offset = 0;
    item->borrowed = false;
    item->bytes = NULL;
}

void tine__item_copy_bytes(struct item *item, const char *bytes, size_t length) {
    item->bytes = length <= ITEM_SMALL ? item->small : sys.malloc(length);
    if (item->bytes)
        memcpy(item->bytes, bytes, length);
}

int tine__item_move_bytes(struct pool *p, struct item *item) {
    uint64_t offset = 0, length = item->task.call.length;
    size_t cap;
    char *block;
    int err = tine__store_grow(p->store, &offset, 0, length, &block, &cap);
    if (err)
        return err;
    memcpy(block, item->bytes, length);
    tine__item_free_bytes(p, item);
    item->bytes = block;
    item->task.call.offset = offset;
    return 0;
}

/* The offset of task k's argument segment in the item's bytes, which begin with item->first. */
static size_t argument_start(const struct item *item, uint32_t k) {
    const struct call_head *call = &item->task.call;
    size_t at = call->label + call->function;
    for (uint32_t i = item->first; i < k && at < call->length; i++) {
        size_t n = segment_length(item->bytes + at, call->length - at);
        at = n ? at + n : call->length;
    }
    return at;
}

int tine__item_cut_bytes(struct pool *p, struct item *item) {
    struct call_head *call = &item->task.call;
    size_t head = call->label + call->function, from = argument_start(item, item->task.next);
    size_t length = head + call->length - from;
    char *rest = sys.malloc(length);
    if (!rest)
        return TINE_ENOMEM;
    memcpy(rest, item->bytes, head);
    memcpy(rest + head, item->bytes + from, call->length - from);
    tine__item_free_bytes(p, item);
    item->bytes = rest;
    call->length = length;
    item->first = item->task.next;
    return 0;
}
