/* Filling in the results that a task needs: into its call, or the task fails. */
#include <string.h>
#include "base/error.h"
#include "base/stream.h"
#include "base/sys.h"
#include "pool/internal.h"

/* --- the call --- */

static size_t gift_length(const struct need *need) {
    size_t length;
    tine__outcome_bytes(&need->got, &length);
    return sizeof need->position + length;
}

static char *put_gift(char *at, const struct need *need) {
    size_t length;
    const char *bytes = tine__outcome_bytes(&need->got, &length);
    memcpy(at, &need->position, sizeof need->position);
    at += sizeof need->position;
    if (length)
        stream_copy(at, bytes, length);
    return at + length;
}

/* Append all results to the bytes of the item's call. A large result is copied once, to where
** workers read it. 0 or TINE_ENOMEM. */
static int assemble(struct pool *p, struct item *item) {
    struct call_head *call = &item->task.call;
    uint64_t length = call->length, block = 0;
    size_t cap;
    char *bytes;
    for (uint32_t i = 0; i < item->needs->n; i++) {
        const struct carried *carried = tine__outcome_carried(&item->needs->list[i].got);
        if (carried && tine__carry_all(&item->refs.carried, carried))
            return TINE_ENOMEM;
        length += gift_length(&item->needs->list[i]);
    }
    if (length <= CALL_INLINE)
        bytes = sys.malloc(length);
    else if (tine__store_grow(p->store, &block, 0, length, &bytes, &cap))
        bytes = NULL;
    if (!bytes || !item->bytes)
        return TINE_ENOMEM;
    memcpy(bytes, item->bytes, call->length);
    char *at = bytes + call->length;
    for (uint32_t i = 0; i < item->needs->n; i++)
        at = put_gift(at, &item->needs->list[i]);
    tine__item_free_bytes(p, item);
    item->bytes = bytes;
    call->offset = block;
    call->length = length;
    return 0;
}

/* --- results --- */

static void fail(struct pool *p, struct item *item, const struct outcome *how) {
    struct outcome kept = {0};
    tine__outcome_share(&kept, how); /* `how` may be freed with the needs */
    tine__needs_drop(p, item);
    tine__item_end_held(p, item, &kept);
    if (outcome_owns(&kept))
        tine__outcome_free_locked(p, &kept);
}

/* `o` is freed. */
static void fail_and_free(struct pool *p, struct item *item, struct outcome *o) {
    fail(p, item, o);
    if (outcome_owns(o))
        tine__outcome_free_locked(p, o);
}

static void fail_by_code(struct pool *p, struct item *item, int code, const char *text,
                         size_t length) {
    struct outcome o = {0};
    tine__outcome_set_bytes(&o, OUTCOME_FAILED, code, text, length, NULL);
    fail_and_free(p, item, &o);
}

static void all_there(struct pool *p, struct item *item) {
    if (assemble(p, item)) {
        fail_by_code(p, item, TINE_ENOMEM, "", 0);
        return;
    }
    tine__needs_drop(p, item);
    tine__sched_again(&p->s, &item->task, tine__now());
}

/* The need's result is in `got`. */
static void met(struct pool *p, struct need *need) {
    struct item *item = need->item;
    if (need->got.state != OUTCOME_VALUES)
        fail(p, item, &need->got);
    else if (--item->needs->missing == 0)
        all_there(p, item);
}

void tine__needs_settle(struct pool *p) {
    struct list *node;
    while ((node = list_pop(&p->met)) != NULL) {
        struct need *need = LIST_ITEM(node, struct need, node);
        p->needing--;
        tine__outcome_share(&need->got, need->leader->outcomes);
        met(p, need);
    }
}

/* Wait for the leader's end, or take its result soon if it has ended. */
static void link_need(struct pool *p, struct need *need) {
    bool ended = outcome_settled(need->leader->outcomes);
    struct item_rare *rare = ended ? NULL : tine__item_need_rare(need->leader);
    if (!ended && !rare) {
        tine__outcome_set_failure(&need->got, TINE_ENOMEM, NULL);
        return;
    }
    if (p->needing++ == 0)
        tine__wakeup_send(&p->wakeup); /* the manager must take in every result from now on */
    list_push(ended ? &p->met : &rare->dependents, &need->node);
}

void tine__needs_begin(struct pool *p, struct item *item) {
    struct needs *needs = item->needs;
    needs->missing = needs->n;
    for (uint32_t i = 0; i < needs->n; i++) {
        needs->list[i].item = item;
        if (needs->list[i].leader)
            link_need(p, &needs->list[i]);
    }
    for (uint32_t i = 0; item->needs && i < needs->n; i++)
        if (outcome_settled(&needs->list[i].got))
            met(p, &needs->list[i]);
    tine__needs_settle(p);
}

void tine__need_give(struct pool *p, struct item *item, uint32_t position, struct call_buf *cb) {
    struct need *need = tine__need_find(item, position);
    if (!need)
        return;
    if (tine__store_pass_on(&item->refs, &cb->refs)) {
        fail_by_code(p, item, TINE_ENOMEM, "", 0);
    } else {
        tine__outcome_set_bytes(&need->got, OUTCOME_VALUES, 0, cb->b.data, cb->b.len,
                                &cb->refs.carried);
        met(p, need);
    }
    tine__needs_settle(p);
}

bool tine__need_give_error(struct pool *p, struct item *item, struct call_buf *cb) {
    struct outcome o = {0};
    if (!item->needs)
        return false;
    tine__outcome_set_bytes(&o, OUTCOME_ERROR, TINE_ETASK, cb->b.data, cb->b.len,
                            &cb->refs.carried);
    fail_and_free(p, item, &o);
    tine__needs_settle(p);
    return true;
}

void tine__needs_fail(struct pool *p, struct item *item, int code, const char *text,
                      size_t length) {
    if (!item->needs)
        return;
    fail_by_code(p, item, code, text, length);
    tine__needs_settle(p);
}
