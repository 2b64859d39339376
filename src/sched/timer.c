#include "sched/timer.h"

static struct timer *timer_of(const struct pairing_node *n) {
    return LIST_ITEM(n, struct timer, node);
}

static bool earlier(const struct pairing_node *a, const struct pairing_node *b) {
    return timer_of(a)->when < timer_of(b)->when;
}

void tine__timers_init(struct timers *h) {
    *h = (struct timers){.heap = {.before = earlier}};
}

void tine__timer_clear(struct timers *h, struct timer *t) {
    if (t->when == 0)
        return;
    tine__pairing_remove(&h->heap, &t->node);
    h->set[t->kind]--;
    t->when = 0;
}

void tine__timer_set(struct timers *h, struct timer *t, uint64_t when) {
    tine__timer_clear(h, t);
    if (when == TIMER_NEVER)
        return;
    t->when = when;
    h->set[t->kind]++;
    tine__pairing_put(&h->heap, &t->node);
}

struct timer *tine__timer_due(struct timers *h, uint64_t now) {
    if (timers_next(h) > now || !h->heap.root)
        return NULL;
    struct timer *t = timer_of(h->heap.root);
    tine__timer_clear(h, t);
    return t;
}
