#include "sched/pairing.h"

/* Two heaps become one: the root that is later in the order becomes the first child of the
** other. */
static struct pairing_node *meld(const struct pairing *h, struct pairing_node *a,
                                 struct pairing_node *b) {
    if (!a || !b)
        return a ? a : b;
    if (h->before(b, a)) {
        struct pairing_node *n = a;
        a = b;
        b = n;
    }
    b->back = a;
    b->next = a->child;
    if (b->next)
        b->next->back = b;
    a->child = b;
    a->next = a->back = NULL;
    return a;
}

/* A list of siblings becomes one heap: in pairs from the left, then all from the right. */
static struct pairing_node *meld_all(const struct pairing *h, struct pairing_node *first) {
    struct pairing_node *pairs = NULL, *all = NULL;
    while (first) {
        struct pairing_node *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->back = NULL;
        if (b)
            b->next = b->back = NULL;
        a = meld(h, a, b);
        a->next = pairs; /* a stack */
        pairs = a;
    }
    while (pairs) {
        struct pairing_node *n = pairs;
        pairs = n->next;
        n->next = NULL;
        all = meld(h, all, n);
    }
    return all;
}

void tine__pairing_put(struct pairing *h, struct pairing_node *n) {
    n->child = n->next = n->back = NULL;
    h->root = meld(h, h->root, n);
}

void tine__pairing_remove(struct pairing *h, struct pairing_node *n) {
    struct pairing_node *children = meld_all(h, n->child);
    if (n == h->root) {
        h->root = children;
    } else {
        if (n->back->child == n)
            n->back->child = n->next;
        else
            n->back->next = n->next;
        if (n->next)
            n->next->back = n->back;
        h->root = meld(h, h->root, children);
    }
    n->child = n->next = n->back = NULL;
}
