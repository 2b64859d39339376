#include "pool/needs.h"

#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

struct needs *tine__needs_new(uint32_t n) {
    struct needs *needs = sys.calloc(1, sizeof *needs + n * sizeof needs->list[0]);
    if (!needs)
        return NULL;
    needs->n = n;
    for (uint32_t i = 0; i < n; i++)
        list_init(&needs->list[i].node);
    return needs;
}

void tine__needs_free(struct needs *needs) {
    for (uint32_t i = 0; needs && i < needs->n; i++)
        if (outcome_owns(&needs->list[i].got))
            tine__outcome_free(&needs->list[i].got);
    free(needs);
}

void tine__needs_drop(struct pool *p, struct item *item) {
    struct needs *needs = item->needs;
    item->needs = NULL;
    for (uint32_t i = 0; needs && i < needs->n; i++) {
        struct need *need = &needs->list[i];
        p->needing -= !list_empty(&need->node);
        list_remove(&need->node);
        if (outcome_owns(&need->got))
            tine__outcome_free_locked(p, &need->got);
    }
    free(needs);
}

void tine__needs_meet(struct pool *p, struct item *item) {
    struct item_rare *rare = item_rare(item);
    struct list *node;
    while (rare && (node = list_pop(&rare->dependents)) != NULL)
        list_push(&p->met, node);
}

struct need *tine__need_find(struct item *item, uint32_t position) {
    for (uint32_t i = 0; item->needs && i < item->needs->n; i++) {
        struct need *need = &item->needs->list[i];
        if (need->position == position && !need->leader && !outcome_settled(&need->got))
            return need;
    }
    return NULL;
}
