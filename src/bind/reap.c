/* Reaping: taking in news of a Lua state's pools, and their ends. Callbacks only become due here;
** callbacks.c runs them.
*/
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include "base/hot.h"
#include "bind/attempts.h"
#include "bind/box.h"
#include "bind/chunk.h"
#include "bind/events.h"
#include "bind/extras.h"
#include "bind/fileno.h"
#include "bind/reap.h"
#include "bind/submit.h"
#include "bind/workers.h"
#include "worker/root/root.h"

/* --- pools --- */

void tine__state_check(lua_State *L, struct state *S) {
    (void)L;
    if (S->generation == tine__root_generation())
        return;
    /* the parent's pools must not be touched; the table of cores keeps their Lua parts */
    S->generation = tine__root_generation();
    while (list_pop(&S->cores))
        ;
    while (list_pop(&S->busy))
        ;
    list_init(&S->news);
    S->ncores = 0;
    /* and what was due is called there */
    S->due_first = S->gives_first = 1;
    S->due_last = S->gives_last = 0;
}

/* If the trace could not be written, report that with Lua's `warn`. */
static void warn_of_trace(lua_State *L, struct pool *p) {
    char *trouble = tine__pool_trace_trouble(p);
    if (trouble)
        lua_warning(L, trouble, 0);
    free(trouble);
}

void tine__core_join(lua_State *L, struct core *c) {
    struct state *S = state_of(L);
    assert(!c->joined);
    struct pool *p = tine__pool_ref(c->p);
    c->joined = true;
    list_remove(&c->node);
    list_remove(&c->busy);
    S->ncores--;
    S->changes++;
    tine__core_retire(S, c);
    tine__core_unanchor(L, c);
    warn_of_trace(L, p); /* the last writes may have failed, too */
    tine__pool_unref(p);
}

/* --- news --- */

/* No news can come: waits need not poll the core. */
static void rest(struct core *c) {
    if (c->inbox.open == 0 && !c->closing && !c->loose)
        list_remove(&c->busy);
}

/* An item with a rare part may have a question for its owner, or events. */
COLD static void take_rare(struct state *S, struct item *item) {
    struct item_rare *rare = item_rare(item);
    list_remove(&rare->question);
    if (item->asked)
        tine__ask_later(S, item);
    list_remove(&rare->heard);
    if (item->emitted)
        list_push(&S->heard, &rare->heard);
}

/* Prefetch futures and blocks of items, last touched at the submit, which may be long ago. */
static inline void fetch_owners(struct item *const *items, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        const struct future *f = items[i]->owner;
        __builtin_prefetch(f, 1);
        __builtin_prefetch(&f->times, 1);
        __builtin_prefetch(items[i]->home, 1);
    }
}

/* Take the items with news from the core's inbox; released ones go to state.news. Does not
** allocate. */
static void take_news(struct state *S, struct core *c) {
    struct item *items[64];
    unsigned n;
    if (!inbox_has_news(&c->inbox)) {
        rest(c);
        return;
    }
    c->taken++;
    S->changes++;
    if (c->awake && !c->turning) /* the loop that serves the pool must learn of it, too */
        tine__core_ring(S, c, true);
    while ((n = tine__inbox_take(&c->inbox, items, sizeof items / sizeof *items)) > 0) {
        fetch_owners(items, n);
        for (unsigned i = 0; i < n; i++) {
            const struct anchor *a = items[i]->owner;
            if (a->kind == ANCHOR_CHUNK)
                tine__chunk_news(items[i]);
            if (item_rare(items[i]))
                take_rare(S, items[i]);
            if (items[i]->released)
                list_push(&S->news, &items[i]->news);
        }
    }
    rest(c);
}

static bool outcome_failed(const struct outcome *o) {
    return o->state != OUTCOME_VALUES && o->code != TINE_ECANCELLED;
}

void tine__landed(lua_State *L, struct anchor *a, struct core *c) {
    list_remove(&a->item->news);
    tine__item_put(c, a->item);
    a->item = NULL;
    tine__unanchor(L, c->state, a);
}

static void future_landed(lua_State *L, struct future *f) {
    f->done = true;
    f->times = item_times(f->anchor.item);
    f->failed = outcome_failed(&f->outcome);
    tine__landed(L, &f->anchor, f->core);
}

/* Keep the item's rare parts with the future at `idx`. False: a finalizer that ran meanwhile has
** ended the future. */
COLD static bool keep_rare(lua_State *L, struct future *f, int idx) {
    const struct item_rare *rare = item_rare(f->anchor.item);
    /* Userdata that are made while lua_close runs are not finalized: leave the data in the item. */
    bool finalizes = !state_of(L)->closing;
    if (rare->told && !tine__extras_keep_progress(L, f, idx))
        return false;
    if (rare->attempts && finalizes && !tine__keep_attempts(L, f, idx))
        return false;
    if (rare->events && finalizes && !tine__events_keep(L, f, idx))
        return false;
    return !rare->printed || tine__extras_keep_printed(L, f, idx);
}

/* End the future on top of the stack, which has something to keep or somebody to tell. Making the
** box, and keep_rare, may run finalizers that reap this future first, so check again afterwards.
** They may also use the future as an argument: until it is ended, its outcome must stay where its
** item refers to it. */
static void future_released(lua_State *L, struct future *f) {
    int idx = lua_gettop(L);
    struct outcome empty = {0};
    struct outcome *box = outcome_owns(&f->outcome) ? tine__box(L, &empty) : NULL;
    if (f->done)
        return;
    if (item_rare(f->anchor.item) && !keep_rare(L, f, idx))
        return;
    tine__future_room(L, f, idx);
    if (box) {
        outcome_move(&f->outcome, box);
        lua_pushvalue(L, idx + 1);
        lua_setiuservalue(L, idx, FUTURE_VALUE);
    }
    future_landed(L, f);
    if (f->listens)
        tine__future_heard(L, f, idx);
    tine__future_ended(L, f, idx);
}

COLD static void to_limbo(struct state *S, struct item *item) {
    list_remove(&item->news);
    list_push(&S->limbo, &item->news);
}

static void anchor_released(lua_State *L, struct anchor *a) {
    struct future *f = (struct future *)((char *)a - offsetof(struct future, anchor));
    if (a->kind == ANCHOR_CHUNK) {
        tine__chunk_released(L, a);
    } else if (!outcome_settled(&f->outcome)) {
        /* a follower, while the state is being closed */
        tine__landed(L, a, f->core);
    } else if (f->extras < EXTRA_WATCH && !outcome_owns(&f->outcome) && !item_rare(a->item)) {
        future_landed(L, f);
    } else {
        int top = lua_gettop(L);
        if (tine__anchored_push(L, a))
            future_released(L, f);
        else
            to_limbo(state_of(L), a->item);
        lua_settop(L, top);
    }
}

static void anchor_heard(lua_State *L, struct anchor *a) {
    int top = lua_gettop(L);
    if (!tine__anchored_push(L, a))
        ; /* nobody reads its events */
    else if (a->kind == ANCHOR_CHUNK)
        tine__chunk_heard(L, top + 1);
    else
        tine__future_heard(L, lua_touserdata(L, top + 1), top + 1);
    lua_settop(L, top);
}

static void deal_news(lua_State *L, struct state *S) {
    struct list *node;
    while ((node = list_pop(&S->heard)) != NULL)
        anchor_heard(L, LIST_ITEM(node, struct item_rare, heard)->item->owner);
    while (!list_empty(&S->news))
        anchor_released(L, LIST_ITEM(S->news.next, struct item, news)->owner);
}

void tine__reap_core(lua_State *L, struct core *c) {
    take_news(c->state, c);
    deal_news(L, c->state);
}

/* Has an ended pool more to tell? To be asked after tine__pool_ended has returned true: its last
** worker may have ended since the inbox was last read. */
static bool has_more(const struct core *c) {
    return inbox_has_news(&c->inbox) ||
           atomic_load_explicit(&c->inbox.has_exits, memory_order_acquire) ||
           atomic_load_explicit(&c->inbox.has_faults, memory_order_acquire);
}

/* Join pools that have ended and have nothing more to tell. Does not allocate. */
static void join_ended(lua_State *L, struct state *S) {
    for (struct list *n = S->cores.next, *next; n != &S->cores; n = next) {
        struct core *c = LIST_ITEM(n, struct core, node);
        next = n->next;
        if (!tine__pool_ended(c->p))
            continue;
        if (!has_more(c))
            tine__core_join(L, c);
        else
            atomic_store_explicit(&S->stirred, true, memory_order_relaxed); /* look again */
    }
}

/* These calls may run finalizers, which may open and end pools: start again after each. */
static void tell_exits(lua_State *L, struct state *S) {
    for (struct list *n = S->cores.next; n != &S->cores;) {
        struct core *c = LIST_ITEM(n, struct core, node);
        bool exits = atomic_load_explicit(&c->inbox.has_exits, memory_order_acquire);
        bool faults = atomic_load_explicit(&c->inbox.has_faults, memory_order_acquire);
        n = n->next;
        if (exits)
            tine__exits_due(L, c);
        else if (faults)
            tine__faults_due(L, c);
        if (exits || faults) /* only now, since the next node may have been removed meanwhile */
            n = S->cores.next;
    }
}

/* Poll the pools with tasks of this state. Other pools, of which a program may have a thousand, are
** handled by their managers, which set `stirred`. Runs no Lua code but `warn`. */
static void take_in_busy(lua_State *L, struct state *S) {
    for (struct list *n = S->busy.next, *next; n != &S->busy; n = next) {
        struct core *c = LIST_ITEM(n, struct core, busy);
        next = n->next;
        tine__pool_poll(c->p);
        warn_of_trace(L, c->p);
        take_news(S, c);
        /* a pool that ended before its inbox was opened has not set `stirred` */
        if (tine__pool_ended(c->p))
            atomic_store_explicit(&S->stirred, true, memory_order_relaxed);
    }
}

static void take_all_news(struct state *S) {
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next)
        take_news(S, LIST_ITEM(n, struct core, node));
}

void tine__reap(lua_State *L) {
    struct state *S = state_of(L);
    luaL_checkstack(L, 12, "too many values");
    tine__state_check(L, S);
    take_in_busy(L, S);
    deal_news(L, S);
    if (!atomic_exchange_explicit(&S->stirred, false, memory_order_acquire))
        return;
    take_all_news(S);
    deal_news(L, S);
    tell_exits(L, S);
    join_ended(L, S);
}

/* --- collected pools and futures --- */

void tine__sweep_later(lua_State *L) {
    struct state *S = state_of(L);
    if (S->sweeping)
        return;
    S->sweeping = true;
    lua_newuserdatauv(L, 0, 0);
    push_kept(L, KEPT_SWEEPER);
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* Take in news of pools that nobody uses any more: those whose userdata was collected, and those
** with a task that stands whose future may have been collected; but not if a thread may be waiting
** for the descriptor. */
static void sweep(struct state *S) {
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next) {
        struct core *c = LIST_ITEM(n, struct core, node);
        if (!c->dropped && (c->epoll != -1 || !tine__events_stand(c->p)))
            continue;
        tine__pool_poll(c->p);
        take_news(S, c);
    }
}

/* __gc of the sweeper. It may run anywhere in the program, also just before a wait that has already
** looked at the pools, so nothing else is taken in. */
int tine__sweep(lua_State *L) {
    struct state *S = state_of(L);
    S->sweeping = false;
    if (S->closed)
        return 0;
    luaL_checkstack(L, 12, "too many values");
    tine__state_check(L, S);
    sweep(S);
    deal_news(L, S);
    tell_exits(L, S);
    join_ended(L, S);
    if (!list_empty(&S->cores))
        tine__sweep_later(L);
    return 0;
}
