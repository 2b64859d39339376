#include "worker/task/nest.h"

#include <string.h>
#include <lauxlib.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "worker/state/memory.h"
#include "worker/state/seed.h"
#include "worker/task/ask.h"

#define AWHILE 100000000ull    /* ns between two looks at the mail while waiting */
#define ONE_LEVEL (256u << 10) /* bytes of C stack that a task on top of others needs at least */

void (*_Atomic tine__nest_forget)(lua_State *L, unsigned level);

static const char loop_key, threads_key; /* registry keys */

void tine__nest_open(lua_State *L, struct loop *l) {
    lua_pushlightuserdata(L, l);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &loop_key);
    lua_newtable(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &threads_key);
}

struct loop *tine__nest_loop(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &loop_key);
    struct loop *l = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return l && l->call && !loop_is_forked(l) ? l : NULL;
}

/* --- saying --- */

/* Send what is in the reply buffer. */
static void say(struct loop *l, enum record_kind kind) {
    struct channel *ch = l->channel;
    ch->say(ch, kind, l->call->id + l->k, l->call->ref);
    ch->reply(ch);
}

/* Send these bytes. */
static void tell(struct loop *l, enum record_kind kind, const void *bytes, size_t n) {
    struct buf *b = l->channel->reply(l->channel);
    if (buf_append(b, bytes, n))
        b->len = 0; /* they fit into the buffer's first memory */
    say(l, kind);
}

uint64_t tine__nest_submit(struct loop *l, struct buf *b) {
    struct nested_call head;
    memcpy(&head, b->data, sizeof head);
    head.number = ++l->numbers;
    head.count = ++l->submitted;
    memcpy(b->data, &head, sizeof head);
    say(l, RECORD_SUBMIT);
    KILL_POINT("submitted");
    return head.number;
}

/* --- letters --- */

/* Add a result to the end of the list. */
static void keep(struct loop *l, struct posted *p) {
    struct posted **at = &l->letters;
    while (*at)
        at = &(*at)->next;
    p->next = NULL;
    *at = p;
}

void tine__posted_free(struct posted *p) {
    tine__carried_drop(&p->names);
    free(p);
}

struct posted *tine__nest_next(struct loop *l) {
    struct posted *p = l->letters;
    if (p)
        l->letters = p->next;
    return p;
}

void tine__nest_again(struct loop *l, struct posted *p) {
    p->next = l->letters;
    l->letters = p;
}

/* Give the call back to the pool. */
static void reject(struct loop *l, struct posted *run) {
    struct channel *ch = l->channel;
    ch->reply(ch);
    ch->say(ch, RECORD_STOPPED, run->letter.call.id, run->letter.call.ref);
    tine__posted_free(run);
}

/* Take in the mail: results are kept; a call goes into *run (the caller's), further calls go back
** (a task that waits again says so, and may be given a call twice); *answers counts answers. False:
** there was no memory for something. */
static bool take_in(struct loop *l, struct posted **run, uint64_t *answers) {
    bool lost = false;
    struct posted *list = l->channel->mail(l->channel, &lost);
    while (list) {
        struct posted *p = list;
        list = p->next;
        if (p->letter.kind == LETTER_RESULT) {
            keep(l, p);
        } else if (p->letter.kind == LETTER_RUN && !*run) {
            *run = p;
        } else if (p->letter.kind == LETTER_RUN) {
            reject(l, p);
        } else {
            *answers += p->letter.kind == LETTER_ANSWER;
            tine__posted_free(p);
        }
    }
    return !lost;
}

void tine__nest_poll(struct loop *l) {
    struct posted *run = NULL;
    uint64_t answers = 0;
    if (l->run.encoding)
        return;
    take_in(l, &run, &answers);
    if (run)
        reject(l, run);
}

/* Repeat a message until it is answered. */
static void ask(struct loop *l, enum record_kind kind, const void *bytes, size_t n) {
    uint64_t answers = 0;
    while (answers == 0) {
        tell(l, kind, bytes, n);
        for (uint64_t until = tine__now() + 10 * AWHILE; answers == 0 && tine__now() < until;) {
            struct posted *run = NULL;
            l->channel->listen(l->channel, AWHILE);
            take_in(l, &run, &answers);
            if (run)
                reject(l, run);
        }
    }
}

void tine__nest_cancel(struct loop *l, uint64_t number) {
    ask(l, RECORD_CANCEL, &number, sizeof number);
}

/* --- on top --- */

/* What is saved while another task runs. */
struct below {
    struct run run;
    const struct call *call;
    uint32_t k;
    struct progress said;
    uint64_t submitted;
    struct ask_below ask;
    struct seed_state seed;
};

static bool is_seeded(const struct call *call) {
    return call && call->extra && call->extra->seeded;
}

static void go_up(struct loop *l, struct below *b, lua_State *thread, const struct call *call) {
    b->run = l->run;
    b->call = l->call;
    b->k = l->k;
    b->said = l->said;
    b->submitted = l->submitted;
    b->seed.size = 0;
    if (is_seeded(b->call) || is_seeded(call))
        tine__seed_save(l->run.L, &b->seed);
    if (is_seeded(b->call) && !is_seeded(call))
        tine__seed_fresh(l->run.L);
    tine__ask_leave(&b->ask, l->channel);
    tine__memory_pause(l->run.L, true); /* that task's limit does not count for the other one */
    tine__run_on(&l->run, thread, &b->run);
    l->said.id = 0;
    l->level++;
}

static void go_down(struct loop *l, const struct below *b) {
    l->level--;
    l->run = b->run;
    l->call = b->call;
    l->k = b->k;
    l->said = b->said;
    l->submitted = b->submitted;
    tine__memory_pause(l->run.L, false);
    tine__seed_restore(l->run.L, &b->seed);
    tine__ask_return(&b->ask, l->channel);
    l->channel->reply(l->channel); /* empty it for the answer of the task that waits */
}

/* Run the posted call, and free it. */
static void run_on_top(struct loop *l, struct posted *run, lua_State *thread) {
    struct channel *ch = l->channel;
    struct call_extra extra;
    struct call call;
    struct below below;
    if (!ch->up(ch)) { /* too deep, which cannot happen */
        reject(l, run);
        return;
    }
    ch->describe(ch, &run->letter.call, (const char *)(&run->letter + 1), &extra, &call);
    go_up(l, &below, thread, &call);
    tine__loop_call(l, &call);
    ch->down(ch);
    go_down(l, &below);
    tine__posted_free(run);
}

/* --- waiting --- */

/* The thread for a task on top of the running one. Pushes two values, of which it is the second.
** Raises memory errors. */
static lua_State *thread_for(lua_State *L, const struct loop *l) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &threads_key);
    if (lua_rawgeti(L, -1, (lua_Integer)l->level + 1) != LUA_TTHREAD) {
        lua_pop(L, 1);
        lua_newthread(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)l->level + 1);
    }
    lua_State *thread = lua_tothread(L, -1);
    lua_settop(thread, 0);
    luaL_checkstack(thread, LUA_MINSTACK, "tasks");
    return thread;
}

/* How much C stack is left in a thread of the program, whose stack may have any size. */
static size_t left_in_thread(const char *here) {
    pthread_attr_t attr;
    void *lowest;
    size_t size;
    if (pthread_getattr_np(pthread_self(), &attr))
        return 0;
    int error = pthread_attr_getstack(&attr, &lowest, &size);
    pthread_attr_destroy(&attr);
    return error ? 0 : (size_t)(here - (char *)lowest);
}

/* Is too little C stack left? */
static bool is_too_deep(const struct loop *l) {
    struct rlimit limit;
    const char *here = __builtin_frame_address(0);
    if (syscall(SYS_gettid) != getpid())
        return left_in_thread(here) < ONE_LEVEL;
    size_t used = here < l->bottom ? (size_t)(l->bottom - here) : (size_t)(here - l->bottom);
    if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur == RLIM_INFINITY)
        limit.rlim_cur = 8u << 20;
    return used + ONE_LEVEL > limit.rlim_cur;
}

int tine__nest_begin(lua_State *L, struct loop *l, struct waiting *w) {
    luaL_checkstack(L, 10, "tasks");
    if (is_too_deep(l))
        return TINE_EINVALID;
    *w = (struct waiting){.loop = l, .top = lua_gettop(L)};
    w->thread = thread_for(L, l);
    l->waits++;
    tine__codec_put_aside(L, l->run.codec, &w->aside);
    return 0;
}

void tine__nest_end(lua_State *L, struct waiting *w, bool settled) {
    if (w->open && !settled)
        ask(w->loop, RECORD_AWAIT, "", 0);
    tine__codec_take_back(L, w->loop->run.codec, &w->aside, w->top + 3);
    lua_settop(L, w->top);
}

int tine__nest_wait(struct waiting *w, const uint64_t *numbers, uint32_t n, uint64_t deadline) {
    struct loop *l = w->loop;
    for (;;) {
        struct posted *run = NULL;
        uint64_t answers = 0;
        bool whole = take_in(l, &run, &answers);
        if (run) {
            run_on_top(l, run, w->thread);
            w->said = false;
        }
        uint64_t now = tine__now();
        if (l->letters) {
            w->said = false; /* a task that goes on waiting says so again */
            return 0;
        }
        if (!whole)
            return TINE_ENOMEM;
        if (tine__ask_pending(l->channel))
            return TINE_ECANCELLED;
        if (now >= deadline)
            return TINE_ETIMEOUT;
        if (!w->said)
            tell(l, RECORD_AWAIT, numbers, n * sizeof *numbers);
        w->said = w->open = true;
        l->channel->listen(l->channel, deadline - now < AWHILE ? deadline - now : AWHILE);
    }
}

enum record_kind tine__nest_run(lua_State *L, struct loop *l, const struct call_head *head,
                                const char *bytes, const struct codec_origin *origin,
                                uint64_t until, struct buf *out, struct carried *names) {
    struct channel *ch = l->channel;
    enum record_kind kind = RECORD_SKIP;
    struct codec_aside aside;
    struct call_extra extra;
    struct call call;
    struct below below;
    luaL_checkstack(L, 10, "tasks");
    int top = lua_gettop(L);
    lua_State *thread = thread_for(L, l);
    tine__codec_put_aside(L, l->run.codec, &aside);
    if (!is_too_deep(l) && ch->up(ch)) {
        ch->describe(ch, head, bytes, &extra, &call);
        call.origin = origin;
        ch->limit(ch, until);
        go_up(l, &below, thread, &call);
        tine__loop_call(l, &call);
        kind = ch->answered(ch, out, names);
        ch->down(ch);
        go_down(l, &below);
    }
    tine__codec_take_back(L, l->run.codec, &aside, top + 3);
    lua_settop(L, top);
    return kind;
}

void tine__nest_over(struct loop *l) {
    struct posted *p;
    if (l->channel->mail)
        tine__nest_poll(l);
    while (l->level == 0 && (p = tine__nest_next(l)) != NULL)
        tine__posted_free(p); /* results for tasks on lower levels may be among the others */
    void (*forget)(lua_State *, unsigned) = tine__nest_forget;
    if (forget)
        forget(l->run.L, l->level);
}
