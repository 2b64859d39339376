/* Taking in what has come back to one lua_State: the news of its pools, and their ends. What is told of it to callbacks
** is only noted here (callbacks.c runs them).
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
    /* their memory is not ours to touch; the table of cores keeps what Lua has of them */
    S->generation = tine__root_generation();
    while (list_pop(&S->cores))
        ;
    while (list_pop(&S->busy))
        ;
    list_init(&S->news);
    S->ncores = 0;
}

/* Its trace could not be written: Lua's `warn` says so. */
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
    warn_of_trace(L, p); /* of what was written last */
    tine__pool_unref(p);
}

/* --- news --- */

/* Nothing is awaited of it any more. */
static void rest(struct core *c) {
    if (c->inbox.open == 0 && !c->closing && !c->loose)
        list_remove(&c->busy);
}

/* Its owner is asked something, or may hear something. */
COLD static void take_rare(struct state *S, struct item *item) {
    struct item_rare *rare = item_rare(item);
    list_remove(&rare->question);
    if (item->asked)
        tine__ask_later(S, item);
    list_remove(&rare->heard);
    if (item->emitted)
        list_push(&S->heard, &rare->heard);
}

/* Futures, and where items belong, were last looked at when they were submitted, which may be long ago. */
static inline void fetch_owners(struct item *const *items, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        const struct future *f = items[i]->owner;
        __builtin_prefetch(f, 1);
        __builtin_prefetch(&f->times, 1);
        __builtin_prefetch(items[i]->home, 1);
    }
}

/* Take the pool's news: a released item goes to the state's list. Allocates nothing. */
static void take_news(struct state *S, struct core *c) {
    struct item *items[64];
    unsigned n;
    if (!inbox_has_news(&c->inbox)) {
        rest(c);
        return;
    }
    c->taken++;
    S->changes++;
    if (c->awake && !c->turning) /* a loop is to hear of it, too */
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

/* What its item has of what few have. False: it has landed meanwhile. */
COLD static bool keep_rare(lua_State *L, struct future *f, int idx) {
    const struct item_rare *rare = item_rare(f->anchor.item);
    /* What lua_close does not finalize any more would not give it back: it goes with the item. */
    bool finalizes = !state_of(L)->closing;
    if (rare->told && !tine__extras_keep_progress(L, f, idx))
        return false;
    if (rare->attempts && finalizes && !tine__keep_attempts(L, f, idx))
        return false;
    if (rare->events && finalizes && !tine__events_keep(L, f, idx))
        return false;
    return !rare->printed || tine__extras_keep_printed(L, f, idx);
}

/* The future at the top of the stack has something to keep, or somebody to tell. Making the box may run
** finalizers, which may come here too: so look again; and so may `keep_rare`. They may also name the future as an
** argument: until it has landed its outcome is where its item says. */
static void future_released(lua_State *L, struct future *f) {
    int idx = lua_gettop(L);
    struct outcome empty = {0};
    struct outcome *box = outcome_owns(&f->outcome) ? tine__box(L, &empty) : NULL;
    if (f->done)
        return;
    if (item_rare(f->anchor.item) && !keep_rare(L, f, idx))
        return;
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
    } else if (!outcome_settled(
                   &f->outcome)) { /* it only followed, and the state is being closed */
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
        ; /* nobody reads */
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

/* Has it, which has ended, more to tell? To be asked when that is known: its last worker may have left since we looked. */
static bool has_more(const struct core *c) {
    return inbox_has_news(&c->inbox) ||
           atomic_load_explicit(&c->inbox.has_exits, memory_order_acquire) ||
           atomic_load_explicit(&c->inbox.has_faults, memory_order_acquire);
}

/* Pools that have ended and have nothing more to tell. Allocates nothing. */
static void join_ended(lua_State *L, struct state *S) {
    for (struct list *n = S->cores.next, *next; n != &S->cores; n = next) {
        struct core *c = LIST_ITEM(n, struct core, node);
        next = n->next;
        if (!tine__pool_ended(c->p))
            continue;
        if (!has_more(c))
            tine__core_join(L, c);
        else
            atomic_store_explicit(&S->stirred, true, memory_order_relaxed); /* once more */
    }
}

/* What it calls may run finalizers, which may make and end pools: from the start again after each. */
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
        if (exits || faults) /* only now: a node that was taken meanwhile leads to itself */
            n = S->cores.next;
    }
}

/* Pools with tasks of ours. What happens in others their managers take in, and say (`stirred`): a program may have a
** thousand of them. Nothing in here runs Lua code, but for `warn`. */
static void take_in_busy(lua_State *L, struct state *S) {
    for (struct list *n = S->busy.next, *next; n != &S->busy; n = next) {
        struct core *c = LIST_ITEM(n, struct core, busy);
        next = n->next;
        tine__pool_poll(c->p);
        warn_of_trace(L, c->p);
        take_news(S, c);
        if (tine__pool_ended(
                c->p)) /* perhaps before its inbox was opened: then nobody has said so */
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

/* --- what nobody asks for --- */

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

/* News of pools that nobody asks any more: those that were dropped, and those with a task that stands, whose future may
** have been collected; but not where somebody may sleep on a descriptor. */
static void sweep(struct state *S) {
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next) {
        struct core *c = LIST_ITEM(n, struct core, node);
        if (!c->dropped && (c->epoll != -1 || !tine__events_stand(c->p)))
            continue;
        tine__pool_poll(c->p);
        take_news(S, c);
    }
}

/* __gc of that userdata: anywhere in the program, which may just have looked at its pools and be about to sleep. So
** nothing else is taken. */
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
