#include "worker/inner/inner.h"

#include <assert.h>
#include <string.h>
#include <lauxlib.h>
#include <lualib.h>

#include "base/error.h"
#include "base/sys.h"
#include "codec/codec.h"
#include "codec/lua/standard.h"
#include "store/store.h"
#include "worker/channel/channel.h"
#include "worker/state/state.h"
#include "worker/task/ask.h"
#include "worker/task/errand.h"
#include "worker/task/prelude.h"

struct inner {
    struct channel channel; /* first member */
    struct boot boot;
    struct heap *calls;
    const struct settings *defaults;
    struct inner_chore chore;
    struct alloc allocator;
    struct loop loop; /* its state is NULL before the start and after the end */
    struct inner_call *call;
    /* The worker whose task is waiting for this one: it has submitted the
    ** call to a pool of its own. */
    struct inner *outside;
    struct call_extra extra; /* the current call's */
    bool taken;
    bool up; /* ready for tasks */
    struct buf reply, event;
    struct carried carried, event_carried; /* regions that they name */
};

static struct inner *self(struct channel *ch) {
    return (struct inner *)ch;
}

/* --- the channel: one call, and its answers --- */

static void describe(struct channel *ch, const struct call_head *h, const char *bytes,
                     struct call_extra *room, struct call *out) {
    const struct inner *in = self(ch);
    *out = (struct call){.id = h->id,
                         .shown = h->id,
                         .attempt = call_attempt(h),
                         .depth = call_depth(h),
                         .count = h->count,
                         .ref = h->ref,
                         .timed = h->flags & CALL_TIMED,
                         .mute = h->flags & CALL_MUTE,
                         .index = h->index,
                         .heap = in->calls,
                         .callee = h->callee};
    if (!bytes)
        return;
    uint32_t extra = h->flags & CALL_EXTRA ? sizeof *room : 0;
    if (extra)
        out->extra = memcpy(room, bytes, sizeof *room);
    out->label = h->label > extra ? bytes + extra : NULL;
    out->label_len = h->label - extra;
    out->function = bytes + h->label;
    out->function_len = h->function;
    out->arguments = out->function + h->function;
    out->arguments_len = h->length - h->label - h->function;
}

static bool never(struct channel *ch) {
    (void)ch;
    return false;
}

static int take(struct channel *ch, struct call *out, uint64_t patience) {
    struct inner *in = self(ch);
    (void)patience; /* the call is there already, or there is none */
    if (in->taken)
        return TINE_ESHUTDOWN;
    in->taken = true;
    describe(ch, &in->call->head, in->call->bytes, &in->extra, out);
    return 0;
}

static int begin(struct channel *ch, const struct call *call, uint32_t k, uint64_t *when) {
    struct inner_call *c = self(ch)->call;
    (void)call;
    if (k >= atomic_load(&c->upto))
        return TINE_ECANCELLED;
    *when = k > 0 ? c->answers[k - 1].ended : tine__now();
    atomic_store(&c->since, *when);
    atomic_store(&c->running, (uint64_t)(k + 1) << 8);
    if (atomic_load(&c->upto) == 0) /* changed just now, when no task ran yet that could be asked */
        (void)tine__inner_ask(c, k, false);
    return 0;
}

static unsigned asked_of(const struct inner_call *c) {
    return (unsigned)(atomic_load(&c->running) & 0xff);
}

static unsigned asked(struct channel *ch) {
    const struct inner_call *c = self(ch)->call;
    return c ? asked_of(c) : 0;
}

bool tine__inner_ask(struct inner_call *call, uint32_t k, bool timed) {
    uint64_t word = (uint64_t)(k + 1) << 8;
    return atomic_compare_exchange_strong(&call->running, &word,
                                          word | RUN_ASKED | (timed ? RUN_TIMED : 0u));
}

static void progress(struct channel *ch, const struct progress *p) {
    self(ch)->call->said = *p;
}

static void last_progress(struct channel *ch, const struct call *call, const struct progress *p) {
    (void)ch; /* `progress` has stored it already */
    (void)call;
    (void)p;
}

/* All events are kept. */
static bool may_emit(struct channel *ch, const struct call *call, uint32_t k) {
    (void)ch;
    (void)call;
    (void)k;
    return true;
}

static struct buf *event(struct channel *ch) {
    struct inner *in = self(ch);
    in->event.len = 0;
    in->event.carried = &in->event_carried;
    tine__carried_drop(&in->event_carried);
    return &in->event;
}

static void emit(struct channel *ch, const struct call *call, uint32_t k) {
    struct inner *in = self(ch);
    (void)call;
    if (!tine__inner_put_event(in->call, k, &in->event, &in->event_carried))
        return;
    tine__buf_init(&in->event);
    in->event_carried = (struct carried){0};
}

static struct buf *reply(struct channel *ch) {
    struct inner *in = self(ch);
    in->reply.len = 0;
    in->reply.carried = &in->carried;
    tine__carried_drop(&in->carried);
    return &in->reply;
}

static int answer(struct channel *ch, const struct call *call, uint32_t k, enum record_kind kind) {
    struct inner *in = self(ch);
    struct inner_call *c = in->call;
    uint64_t word = (uint64_t)(k + 1) << 8;
    (void)call;
    if (!atomic_compare_exchange_strong(&c->running, &word, 0) && kind != RECORD_ENDED) {
        kind = RECORD_ENDED; /* asked at the last moment */
        reply(ch);
    }
    c->answers[k] =
        (struct inner_answer){kind, atomic_load(&c->since), tine__now(), in->reply, in->carried};
    tine__buf_init(&in->reply);
    in->carried = (struct carried){0};
    atomic_store(&c->since, 0);
    atomic_store(&c->answered, k + 1);
    return 0;
}

static void done(struct channel *ch, const struct call *call) {
    (void)ch;
    (void)call;
}

static void say(struct channel *ch, enum record_kind kind, uint64_t id, uint32_t ref) {
    (void)ch; /* RECORD_STOPPED: the number of answers says the same */
    (void)kind;
    (void)id;
    (void)ref;
}

static void tidy(struct channel *ch) {
    (void)ch;
}

/* --- tasks that tasks submit --- */

static bool up(struct channel *ch) {
    struct inner *in = self(ch);
    struct inner_call *c = sys.calloc(1, sizeof *c + sizeof c->answers[0]);
    if (!c)
        return false;
    atomic_store(&c->upto, 1);
    c->below = in->call;
    in->call = c;
    return true;
}

static void down(struct channel *ch) {
    struct inner *in = self(ch);
    struct inner_call *c = in->call;
    in->call = c->below;
    tine__buf_free(&c->answers[0].bytes);
    tine__carried_drop(&c->answers[0].carried);
    free(c);
}

static enum record_kind answered(struct channel *ch, struct buf *out, struct carried *names) {
    struct inner_answer *a = &self(ch)->call->answers[0];
    *out = a->bytes;
    *names = a->carried;
    tine__buf_init(&a->bytes);
    a->carried = (struct carried){0};
    return a->kind;
}

static void limit(struct channel *ch, uint64_t until) {
    self(ch)->call->until = until;
}

/* --- requests to end --- */

#define OFTEN 1000 /* instructions between two looks */

/* the innermost worker that runs a call in this thread */
static _Thread_local struct inner *innermost;

static const char inner_key; /* registry key */

static struct inner *inner_of(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &inner_key);
    struct inner *in = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return in;
}

bool tine__inner_is(lua_State *L) {
    return inner_of(L) != NULL;
}

/* The request to end of the running task, or of a task that waits for it. */
static unsigned asked_here(const struct inner *in) {
    unsigned bits = 0;
    for (; in; in = in->outside)
        for (const struct inner_call *c = in->call; c && !bits; c = c->below)
            bits = asked_of(c);
    return bits;
}

bool tine__inner_stopping(lua_State *L) {
    const struct inner *in = inner_of(L);
    return in->call && asked_here(in);
}

void tine__inner_heed(lua_State *L) {
    struct inner *in = inner_of(L);
    struct inner_call *c = in->call;
    if (!c)
        return; /* not a task, but an errand or the finalizer */
    for (const struct inner *i = in; i; i = i->outside) {
        i->chore.run(i->chore.arg);
        if (i->call->until && tine__now() >= i->call->until)
            (void)tine__inner_ask(i->call, 0, true);
    }
    unsigned bits = asked_here(in);
    if (bits && c->told != c->answered + 1) {
        c->told = c->answered + 1; /* raise it once */
        tine__ask_raise(L, bits);
    }
}

/* A count hook. Nothing in a state of the program may be changed from another thread, so the state
** itself looks regularly; coroutines that a task makes inherit the hook. */
static void look(lua_State *L, lua_Debug *ar) {
    (void)ar;
    tine__inner_heed(L);
}

/* --- the state --- */

static int no_exit(lua_State *L) {
    return luaL_error(
        L,
        "os.exit in a task of a pool without processes (workers = 0), where it would end the program");
}

/* (inner) Register the worker, and replace os.exit: there is no process that a task could end. */
static int take_exit(lua_State *L) {
    lua_pushvalue(L, 1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &inner_key);
    tine__standard_instead(L, LUA_OSLIBNAME, "exit", no_exit);
    return 0;
}

static int open_state(struct inner *in) {
    lua_State *L = tine__state_new(&in->allocator, false);
    if (!L)
        return TINE_ENOMEM;
    in->loop = (struct loop){.run = {.L = L}, .channel = &in->channel, .defaults = in->defaults};
    lua_pushcfunction(L, take_exit);
    lua_pushlightuserdata(L, in);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK || tine__prelude_open(&in->loop.run, L))
        return TINE_ENOMEM;
    return tine__prelude_place(&in->loop.run, &in->boot, in->calls);
}

enum inner_start tine__inner_start(struct inner *in, struct buf *out) {
    assert(!in->loop.run.L);
    if (open_state(in))
        return INNER_NO_MEMORY;
    if (tine__prelude_preload(&in->loop.run, &in->boot, out))
        return INNER_NO_PRELOAD;
    out->len = 0;
    if (tine__prelude_prepare(&in->loop, 0, &in->boot, false, out) ||
        tine__prelude_initialize(&in->loop.run, &in->boot, out))
        return INNER_NO_INITIALIZER;
    in->up = true;
    return INNER_READY;
}

void tine__inner_run(struct inner *in, struct inner_call *call) {
    lua_State *L = in->loop.run.L;
    in->outside = innermost;
    innermost = in;
    in->call = call;
    in->taken = false;
    if (!lua_gethook(L)) /* else it is a debugger's, and requests are not heeded */
        lua_sethook(L, look, LUA_MASKCOUNT, OFTEN);
    tine__loop_run(&in->loop);
    in->call = NULL;
    innermost = in->outside;
    in->outside = NULL;
}

bool tine__inner_errand(struct inner *in, const struct errand_call *call, struct buf *out) {
    return tine__errand_run(&in->loop.run, call, out);
}

void tine__inner_end(struct inner *in) {
    lua_State *L = in->loop.run.L;
    if (in->up)
        tine__prelude_finalize(&in->loop.run, &in->boot, reply(&in->channel));
    in->up = false;
    in->loop.run.L = NULL;
    if (L)
        lua_close(L);
}

int tine__inner_new(struct inner **out, const struct boot *boot, struct heap *calls,
                    const struct settings *defaults, const struct inner_chore *chore) {
    struct inner *in = sys.calloc(1, sizeof *in);
    if (!in)
        return TINE_ENOMEM;
    in->channel = (struct channel){.take = take,
                                   .begin = begin,
                                   .asked = asked,
                                   .reply = reply,
                                   .progress = progress,
                                   .last_progress = last_progress,
                                   .may_emit = may_emit,
                                   .event = event,
                                   .emit = emit,
                                   .answer = answer,
                                   .done = done,
                                   .describe = describe,
                                   .up = up,
                                   .down = down,
                                   .answered = answered,
                                   .limit = limit,
                                   .say = say,
                                   .told = never,
                                   .dismissed = never,
                                   .untidy = never,
                                   .tidy = tidy};
    in->calls = calls;
    in->defaults = defaults;
    in->chore = *chore;
    tine__buf_init(&in->reply);
    tine__buf_init(&in->event);
    int err = tine__boot_copy(&in->boot, boot);
    if (err) {
        free(in);
        return err;
    }
    in->boot.locale = NULL; /* it is the program's */
    *out = in;
    return 0;
}

void tine__inner_free(struct inner *in) {
    if (!in)
        return;
    tine__inner_end(in);
    tine__buf_free(&in->reply);
    tine__buf_free(&in->event);
    tine__carried_drop(&in->carried);
    tine__carried_drop(&in->event_carried);
    tine__boot_free(&in->boot);
    free(in);
}
