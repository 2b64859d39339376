#include "sched/timer.h"

#include <stddef.h>

/* Two heaps become one: the later root becomes the first child of the earlier. */
static struct timer *meld(struct timer *a, struct timer *b) {
    if (!a || !b)
        return a ? a : b;
    if (b->when < a->when) {
        struct timer *t = a;
        a = b;
        b = t;
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
static struct timer *meld_all(struct timer *first) {
    struct timer *pairs = NULL, *all = NULL;
    while (first) {
        struct timer *a = first, *b = a->next;
        first = b ? b->next : NULL;
        a->next = a->back = NULL;
        if (b)
            b->next = b->back = NULL;
        a = meld(a, b);
        a->next = pairs; /* a stack */
        pairs = a;
    }
    while (pairs) {
        struct timer *t = pairs;
        pairs = t->next;
        t->next = NULL;
        all = meld(all, t);
    }
    return all;
}

void tine__timer_clear(struct timers *h, struct timer *t) {
    if (t->when == 0)
        return;
    struct timer *children = meld_all(t->child);
    if (t == h->root) {
        h->root = children;
    } else {
        if (t->back->child == t)
            t->back->child = t->next;
        else
            t->back->next = t->next;
        if (t->next)
            t->next->back = t->back;
        h->root = meld(h->root, children);
    }
    t->child = t->next = t->back = NULL;
    t->when = 0;
}

void tine__timer_set(struct timers *h, struct timer *t, uint64_t when) {
    tine__timer_clear(h, t);
    if (when == TIMER_NEVER)
        return;
    t->child = t->next = t->back = NULL;
    t->when = when;
    h->root = meld(h->root, t);
}

struct timer *tine__timer_due(struct timers *h, uint64_t now) {
    struct timer *t = h->root;
    if (!t || t->when > now)
        return NULL;
    tine__timer_clear(h, t);
    return t;
}
