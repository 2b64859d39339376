#include "pool/events.h"

#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "site/far/far.h"

struct emission {
    struct emission *next;
    uint32_t k;
    struct outcome values;
};

struct events {
    struct pool *pool;
    struct item *item; /* known to the scheduler; NULL: it has ended */
    unsigned refs;
    struct emission *first, **last;
    uint64_t unread;
    unsigned awaits;
    bool read, dropped;
    struct list node; /* in pool->standing or pool->loose */
    bool loose;
    /* of the task that emitted the last event */
    uint64_t id, number, granted;
    unsigned worker;
    uint32_t k;
    uint64_t mine; /* how many of the unread events are of this task */
    /* of an item from another machine, whose submitter keeps the events and grants more */
    bool far;
    uint64_t seen, allowed; /* number of events of this task: emitted, and allowed */
};

/* --- references --- */

static struct events *new_events(struct pool *p, struct item *item) {
    struct events *e = sys.calloc(1, sizeof *e);
    if (!e)
        return NULL;
    e->pool = tine__pool_ref(p);
    e->item = item;
    e->far = item->task.far;
    e->refs = 1; /* the reference of the item */
    e->last = &e->first;
    list_init(&e->node);
    return e;
}

static struct events *events_of(struct pool *p, struct item *item) {
    struct item *leader = item_leader(item);
    struct item_rare *rare = tine__item_need_rare(leader);
    if (rare && !rare->events)
        rare->events = new_events(p, leader);
    return rare ? rare->events : NULL;
}

struct events *tine__item_events(struct pool *p, struct item *item) {
    if (tine__pool_is_forked(p))
        return NULL;
    pthread_mutex_lock(&p->lock);
    struct events *e = item_events(item);
    if (!e)
        e = events_of(p, item);
    if (e)
        e->refs++;
    pthread_mutex_unlock(&p->lock);
    return e;
}

static void free_all(struct events *e) {
    struct emission *event;
    while ((event = e->first) != NULL) {
        e->first = event->next;
        tine__outcome_free_locked(e->pool, &event->values);
        free(event);
    }
    e->last = &e->first;
    e->unread = e->mine = 0;
}

void tine__events_unref(struct events *e) {
    if (!e || tine__pool_is_forked(e->pool))
        return;
    struct pool *p = e->pool;
    pthread_mutex_lock(&p->lock);
    bool last = --e->refs == 0;
    if (last)
        free_all(e);
    pthread_mutex_unlock(&p->lock);
    if (!last)
        return;
    free(e);
    tine__pool_unref(p);
}

/* --- granting --- */

static uint64_t limit_of(const struct events *e) {
    return e->pool->in_process || e->far ? UINT64_MAX : e->pool->event_buffer;
}

/* Does somebody wait for the item's end, so that all events are kept? */
static bool is_awaited(const struct events *e) {
    return e->loose || e->awaits > 0 || e->pool->end_awaits > 0;
}

/* Is the pool shut down, with nobody who waits or reads? Then no more than the limit are kept. */
static bool is_vain(const struct events *e) {
    return e->pool->s.life > LIFE_OPEN && !e->read && !is_awaited(e);
}

static bool is_free(const struct events *e) {
    return e->dropped || is_awaited(e) || is_vain(e);
}

/* The number of the first event that the task may not emit. */
static uint64_t upto(const struct events *e) {
    if (e->dropped)
        return SITE_NO_EVENTS;
    if (e->far)
        return e->allowed == SITE_NO_EVENTS ? SITE_NO_EVENTS : e->number - e->seen + e->allowed;
    uint64_t limit = limit_of(e), unread = is_free(e) ? 0 : e->mine;
    return e->number + (limit > unread ? limit - unread : 0);
}

static void grant(struct events *e, bool again) {
    const struct site_ops *ops = e->pool->site->ops;
    uint64_t number = upto(e);
    if (!e->item || !ops->grant || pool_site_is_gone(e->pool) || (number == e->granted && !again))
        return;
    e->granted = number;
    if (e->worker)
        ops->grant(e->pool->site, e->item->task.call.ref, e->worker, e->id, number);
}

/* Update whether the task stands: pool->standing lists those that do. */
static void note_standing(struct events *e) {
    struct pool *p = e->pool;
    bool stands = e->item && !is_free(e) && e->mine >= limit_of(e);
    if (e->loose)
        return; /* it is in pool->loose */
    bool begins = stands && list_empty(&e->node);
    if (begins)
        list_push(&p->standing, &e->node);
    else if (!stands)
        list_remove(&e->node);
    atomic_store_explicit(&p->stands, !list_empty(&p->standing), memory_order_relaxed);
    if (begins) { /* a thread that sees the new number also sees pool->stands */
        p->stood = true;
        atomic_fetch_add_explicit(&p->standings, 1, memory_order_release);
    }
}

static void changed(struct events *e, bool again) {
    grant(e, again);
    note_standing(e);
}

/* --- arriving events --- */

/* Set the current task to that of the report. False: the event does not directly follow the last
** one, being of another task or attempt. */
static bool follows(struct events *e, const struct report *r, uint32_t k) {
    bool same = e->worker == r->worker && e->id == r->id && e->number == r->number;
    if (e->k != k || !e->worker)
        e->mine = e->seen = 0;
    if (e->seen++ == 0)
        e->allowed = e->item ? e->item->event_buffer : 0;
    e->k = k;
    e->worker = r->worker;
    e->id = r->id;
    e->number = r->number + 1;
    return same;
}

/* Keep the event. False: no memory. */
static bool keep(struct events *e, const struct report *r, uint32_t k) {
    struct emission *event = sys.calloc(1, sizeof *event);
    if (!event)
        return false;
    event->k = k;
    tine__outcome_set_report(&event->values, OUTCOME_VALUES, 0, e->pool, r);
    *e->last = event;
    e->last = &event->next;
    e->unread++;
    e->mine++;
    return true;
}

static void post(struct item *item) {
    tine__inbox_post(item->inbox, item);
    for (struct item *f = item_rare(item)->followers; f; f = item_rare(f)->next_follower)
        tine__inbox_post(f->inbox, f);
}

void tine__deliver_event(struct pool *p, const struct report *r) {
    struct task *t = sched_sent(&p->s, r->ref);
    uint64_t k = t ? r->id - t->call.id : 0;
    if (!t || t->mute || r->error || k != t->next || k >= t->upto)
        return;
    struct item *item = item_of(t);
    struct events *e = events_of(p, item);
    if (!e)
        return;
    bool again = !follows(e, r, (uint32_t)k);
    bool enough = e->dropped || (is_vain(e) && e->mine >= limit_of(e));
    if (!enough && keep(e, r, (uint32_t)k))
        post(item);
    changed(e, again);
}

void tine__events_end(struct item *item) {
    struct events *e = item_events(item);
    if (!e || e->item != item)
        return;
    e->item = NULL;
    e->loose = false;
    list_remove(&e->node);
    note_standing(e);
}

void tine__events_follow(struct pool *p, struct item *follower, struct item *leader) {
    struct events *e = item_events(leader);
    if (!e && !outcome_settled(leader->outcomes))
        e = events_of(p, leader);
    item_rare(follower)->events = e;
    if (e)
        e->refs++;
}

/* --- readers --- */

static bool take(struct events *e, struct outcome *out, uint32_t *k) {
    struct emission *event = e->first;
    if (!event)
        return false;
    e->first = event->next;
    if (!e->first)
        e->last = &e->first;
    e->unread--;
    e->mine -= event->k == e->k && e->mine > 0;
    *k = event->k;
    *out = event->values;
    free(event);
    changed(e, false);
    return true;
}

void tine__events_allow(struct pool *p, struct item *item, uint32_t k, uint64_t number) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    struct events *e = item_events(item);
    if (e && e->item && e->worker && e->k == k && e->seen > 0) {
        e->allowed = number;
        changed(e, false);
    }
    pthread_mutex_unlock(&p->lock);
}

bool tine__events_take(struct events *e, struct outcome *out, uint32_t *k) {
    if (tine__pool_is_forked(e->pool))
        return false;
    pthread_mutex_lock(&e->pool->lock);
    bool any = take(e, out, k);
    pthread_mutex_unlock(&e->pool->lock);
    return any;
}

uint64_t tine__events_unread(struct events *e) {
    if (tine__pool_is_forked(e->pool))
        return 0;
    pthread_mutex_lock(&e->pool->lock);
    uint64_t n = e->unread;
    pthread_mutex_unlock(&e->pool->lock);
    return n;
}

void tine__events_read(struct events *e) {
    if (tine__pool_is_forked(e->pool))
        return;
    pthread_mutex_lock(&e->pool->lock);
    e->read = true;
    changed(e, false);
    pthread_mutex_unlock(&e->pool->lock);
}

void tine__events_await(struct events *e, bool awaits) {
    if (tine__pool_is_forked(e->pool))
        return;
    pthread_mutex_lock(&e->pool->lock);
    e->awaits += awaits ? 1u : -1u;
    changed(e, false);
    pthread_mutex_unlock(&e->pool->lock);
}

void tine__events_drop(struct events *e) {
    if (tine__pool_is_forked(e->pool))
        return;
    pthread_mutex_lock(&e->pool->lock);
    if (e->refs <= 1u + (e->item != NULL)) {
        free_all(e);
        e->dropped = true;
        changed(e, false);
    }
    pthread_mutex_unlock(&e->pool->lock);
}

/* --- threads that wait for ends --- */

/* Do tasks wait for a worker while all workers are busy? */
static bool is_held_up(struct pool *p) {
    uint64_t running = tine__pool_running(p), most = p->far      ? tine__far_slots(p->site)
                                                     : p->s.hold ? p->s.live
                                                                 : p->s.o.workers;
    return sched_runnable(&p->s) > running && running >= most;
}

bool tine__pool_holds(struct pool *p) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool any = p->s.nheld > 0;
    pthread_mutex_unlock(&p->lock);
    return any;
}

bool tine__pool_is_stuck(struct pool *p) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    const struct sched *s = &p->s;
    bool stuck = s->open > 0 && s->open == s->nheld && s->timers.set[TIMER_TASK] == 0 &&
                 p->children == 0 && !pool_site_is_gone(p) && !sched_has_event(s);
    pthread_mutex_unlock(&p->lock);
    return stuck;
}

static void loosen(struct pool *p, bool (*waits)(const struct item *item, const void *arg),
                   const void *arg, bool *loose) {
    bool all = !waits || (!pool_site_is_gone(p) && is_held_up(p));
    for (struct list *n = p->standing.next, *next; n != &p->standing; n = next) {
        struct events *e = LIST_ITEM(n, struct events, node);
        next = n->next;
        if (!all && !waits(e->item, arg))
            continue;
        if (!*loose)
            p->looseners++;
        *loose = e->loose = true;
        list_remove(n);
        list_push(&p->loose, n);
        grant(e, false);
    }
    atomic_store_explicit(&p->stands, !list_empty(&p->standing), memory_order_relaxed);
}

bool tine__events_no_end(const struct item *item, const void *arg) {
    (void)item;
    (void)arg;
    return false;
}

void tine__events_loosen(struct pool *p, bool (*waits)(const struct item *item, const void *arg),
                         const void *arg, bool *loose) {
    pthread_mutex_lock(&p->lock);
    loosen(p, waits, arg, loose);
    pthread_mutex_unlock(&p->lock);
}

void tine__events_tighten(struct pool *p, bool *loose) {
    if (!*loose || tine__pool_is_forked(p))
        return;
    *loose = false;
    pthread_mutex_lock(&p->lock);
    while (p->looseners == 1 && !list_empty(&p->loose)) {
        struct events *e = LIST_ITEM(list_pop(&p->loose), struct events, node);
        e->loose = false;
        changed(e, false);
    }
    p->looseners--;
    pthread_mutex_unlock(&p->lock);
}

void tine__events_await_end(struct pool *p, bool awaits) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    p->end_awaits += awaits ? 1u : -1u;
    tine__events_shut(p);
    pthread_mutex_unlock(&p->lock);
}

bool tine__events_stand(const struct pool *p) {
    return atomic_load_explicit(&p->stands, memory_order_relaxed);
}

uint32_t tine__events_stood(const struct pool *p) {
    return atomic_load_explicit(&p->standings, memory_order_acquire);
}

void tine__events_shut(struct pool *p) {
    for (struct list *n = p->standing.next, *next; n != &p->standing; n = next) {
        next = n->next;
        changed(LIST_ITEM(n, struct events, node), false);
    }
}
