#include "pool/kin.h"

#include "base/hash.h"
#include "base/sys.h"

void tine__kin_init(struct kin *k) {
    *k = (struct kin){.size = KIN_FEW};
    k->table = k->few;
}

void tine__kin_free(struct kin *k) {
    if (k->table != k->few)
        free(k->table);
    tine__kin_init(k);
}

static struct kin_node **list_of(struct kin_node **table, size_t size, const struct item *parent,
                                 uint64_t number) {
    const uint64_t parts[] = {(uintptr_t)parent, number};
    return &table[tine__hash(parts, sizeof parts) & (size - 1)];
}

static void push(struct kin_node **list, struct kin_node *node) {
    node->next = *list;
    *list = node;
}

/* Double the number of buckets. Without memory the lists become longer instead. */
static void widen(struct kin *k) {
    size_t size = 2 * k->size;
    struct kin_node **table = sys.calloc(size, sizeof *table);
    if (!table)
        return;
    for (size_t i = 0; i < k->size; i++)
        for (struct kin_node *n = k->table[i], *next; n; n = next) {
            next = n->next;
            push(list_of(table, size, n->parent, n->number), n);
        }
    if (k->table != k->few)
        free(k->table);
    k->table = table;
    k->size = size;
}

void tine__kin_put(struct kin *k, struct kin_node *node) {
    if (k->n++ >= k->size)
        widen(k);
    push(list_of(k->table, k->size, node->parent, node->number), node);
}

void tine__kin_remove(struct kin *k, const struct kin_node *node) {
    struct kin_node **at = list_of(k->table, k->size, node->parent, node->number);
    while (*at && *at != node)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = node->next;
    k->n--;
}

struct kin_node *tine__kin_find(const struct kin *k, const struct item *parent, uint64_t number) {
    struct kin_node *n = *list_of(k->table, k->size, parent, number);
    while (n && (n->parent != parent || n->number != number))
        n = n->next;
    return n;
}
