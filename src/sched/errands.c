/* Errands: what each worker runs once (errand.h). */
#include "base/error.h"
#include "sched/internal.h"

static void finish(struct sched *s, struct errand *e) {
    list_remove(&e->node);
    list_push(&s->done_errands, &e->node);
    s->eventful = true;
}

int tine__sched_everywhere(struct sched *s, struct errand *e) {
    if (s->life != LIFE_OPEN)
        return why_code(s->why);
    e->number = ++s->nerrands;
    e->left = s->o.far ? 0 : s->present; /* other machines run it when they run a task */
    e->broken = false;
    list_init(&e->node);
    list_init(&e->order);
    list_push(&s->new_errands, &e->order);
    s->stirred = true;
    if (e->left > 0)
        list_push(&s->errands, &e->node);
    else
        finish(s, e);
    return 0;
}

bool tine__sched_is_awaited(const struct sched *s, unsigned worker, uint64_t number) {
    return sched_is_worker(s, worker) && number > s->workers[worker].born;
}

/* Errands up to `number` that the worker has not run wait for it no longer. */
static void settle(struct sched *s, const struct worker *w, uint64_t number) {
    for (struct list *n = s->errands.next, *next; n != &s->errands; n = next) {
        struct errand *e = LIST_ITEM(n, struct errand, node);
        next = n->next;
        if (e->number > w->born && e->number > w->errands && e->number <= number && --e->left == 0)
            finish(s, e);
    }
}

bool tine__sched_owes(const struct sched *s, const struct worker *w) {
    return !s->o.far && s->nerrands > w->errands;
}

bool tine__sched_errands_left(const struct sched *s) {
    for (unsigned i = 1; i <= s->top && !list_empty(&s->errands); i++)
        if (tine__sched_is_awaited(s, i, s->nerrands) && tine__sched_owes(s, &s->workers[i]) &&
            !s->workers[i].unborn)
            return true;
    return false;
}

bool tine__sched_ran(struct sched *s, unsigned worker, uint64_t number) {
    struct worker *w = &s->workers[worker];
    if (number != w->errands + 1 || number > s->nerrands)
        return false;
    settle(s, w, number);
    w->errands = number;
    return true;
}

void tine__sched_forget_errands(struct sched *s, const struct worker *w) {
    settle(s, w, UINT64_MAX);
}

void tine__sched_break_errands(struct sched *s) {
    while (!list_empty(&s->errands)) {
        struct errand *e = LIST_ITEM(s->errands.next, struct errand, node);
        e->broken = true;
        finish(s, e);
    }
}

bool tine__sched_order_errand(struct sched *s, struct order *o) {
    struct list *node = list_pop(&s->new_errands);
    if (!node)
        return false;
    *o = (struct order){.kind = ORDER_SPREAD, .errand = LIST_ITEM(node, struct errand, order)};
    return true;
}
