#include "worker/task/ask.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <lauxlib.h>

#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "worker/process/family.h"
#include "worker/state/threads.h"

#define FIRST_LOOK 1000000l  /* ns until the signal is repeated for the first time */
#define LAST_LOOK 128000000l /* and the longest such time */
#define EVERYTHING (LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT)

void (*_Atomic tine__push_error)(lua_State *L, int code, const char *text);

static const char traceback_key; /* registry key: traceback of where the error was raised */

/* The hook that the task had set where ours is now. */
struct hook {
    lua_State *L;
    lua_Hook f;
    int mask, count;
};

/* There is one worker in a process. */
static OWN struct {
    struct channel *channel;
    volatile sig_atomic_t armed; /* a task runs, and the error was not raised yet */
    bool has_timer;
    int timer;
    long next; /* time until the next repetition, ns */
    struct hook before;
} ask;

/* --- the timer: plain system calls, since a signal handler may make them --- */

static bool make_timer(void) {
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = ASK_SIGNAL};
    event._sigev_un._tid = getpid();
    if (!ask.has_timer)
        ask.has_timer = syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &ask.timer) == 0;
    return ask.has_timer;
}

/* Fire in `ns`; 0: stop. */
static void set_timer(long ns) {
    const struct itimerspec when = {.it_value.tv_nsec = ns};
    syscall(SYS_timer_settime, ask.timer, 0, &when, NULL);
}

/* --- the hook --- */

/* Until this is done the hook is ours, and another signal changes nothing. */
static void give_back_hook(lua_State *L) {
    const struct hook before = ask.before;
    ask.before.L = NULL;
    if (before.L == L)
        lua_sethook(L, before.f, before.mask, before.count);
    else
        lua_sethook(L, NULL, 0, 0);
}

static void hook(lua_State *L, lua_Debug *ar);

static void disarm(lua_State *L) {
    ask.armed = 0;
    atomic_signal_fence(memory_order_seq_cst);
    if (ask.next != FIRST_LOOK && ask.has_timer)
        set_timer(0);
    if (lua_gethook(L) == hook)
        give_back_hook(L);
}

void tine__error_value(lua_State *L, int code, const char *text) {
    /* the copy, because gcc would call it without an atomic read */
    void (*push)(lua_State *, int, const char *) = tine__push_error;
    if (push)
        push(L, code, text);
    else
        lua_pushstring(L, text);
}

void tine__ask_raise(lua_State *L, unsigned asked) {
    KILL_POINT("asked");
    luaL_traceback(L, L, NULL, 0);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    int code = asked & RUN_TIMED ? TINE_ETIMEOUT : TINE_ECANCELLED;
    tine__error_value(L, code, tine_error_text(code));
    lua_error(L);
}

#define LEVELS 50 /* stack levels looked at */

/* Is a variable being closed? It must not be left half closed. (Lua names a function by the
** instruction that called it. So this is known at the end of a block, but not when an error has
** left it; then the task is about to end anyway.) */
static bool is_closing(lua_State *L) {
    lua_Debug ar;
    for (int level = 0; level < LEVELS && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "n", &ar);
        if (ar.name && strcmp(ar.name, "close") == 0 && strcmp(ar.namewhat, "metamethod") == 0)
            return true;
    }
    return false;
}

/* --- where it stands --- */

/* One line of the traceback. */
static int describe(lua_State *L, lua_Debug *ar, char *out, size_t size) {
    char line[24] = "", who[80];
    lua_getinfo(L, "nSl", ar);
    if (ar->currentline > 0)
        snprintf(line, sizeof line, ":%d", ar->currentline);
    if (*ar->what == 'm')
        snprintf(who, sizeof who, "main chunk");
    else if (ar->name)
        snprintf(who, sizeof who, "%s '%.60s'", *ar->namewhat ? ar->namewhat : "function",
                 ar->name);
    else if (*ar->what == 'C')
        snprintf(who, sizeof who, "?");
    else
        snprintf(who, sizeof who, "function <%.40s:%d>", ar->short_src, ar->linedefined);
    return snprintf(out, size, "%s%s: in %s\n", ar->short_src, line, who);
}

/* As luaL_traceback, but without allocating Lua memory: an inquiry must not change anything.
** Without a Lua function on the stack nothing is told. */
static void tell_place(lua_State *L) {
    char place[LINK_PLACE];
    size_t at = 0;
    bool lua = false;
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar) && at < sizeof place; level++) {
        int n = describe(L, &ar, place + at, sizeof place - at);
        at += n > 0 ? (size_t)n : 0;
        lua |= ar.currentline > 0;
    }
    if (lua)
        ask.channel->tell_place(ask.channel, place, at < sizeof place ? at : sizeof place);
}

static bool is_inquired(void) {
    return ask.channel->inquired && ask.channel->inquired(ask.channel);
}

/* Coroutines made after it was set have this hook, too. */
static void hook(lua_State *L, lua_Debug *ar) {
    (void)ar;
    if (ask.armed && is_inquired())
        tell_place(L);
    unsigned asked = ask.armed ? ask.channel->asked(ask.channel) : 0;
    if (asked && is_closing(L))
        return;
    give_back_hook(L);
    if (!asked)
        return;
    disarm(L);
    tine__ask_raise(L, asked);
}

static void set_hook(void) {
    lua_State *L = tine__running_thread;
    if (lua_gethook(L) == hook)
        return;
    ask.before = (struct hook){L, lua_gethook(L), lua_gethookmask(L), lua_gethookcount(L)};
    lua_sethook(L, hook, EVERYTHING, 1);
}

/* --- the signal --- */

/* Set the hook if the task is to be told something, and repeat later. */
static void look(void) {
    if (!ask.armed || !(ask.channel->asked(ask.channel) || is_inquired()))
        return;
    set_hook();
    if (!make_timer())
        return;
    set_timer(ask.next);
    if (ask.next < LAST_LOOK)
        ask.next *= 2;
}

/* The signal may reach a thread of a C library; it is then passed on to the worker's
** thread, which runs Lua. */
static void on_signal(int signal) {
    int saved = errno;
    if (syscall(SYS_gettid) == getpid())
        look();
    else
        syscall(SYS_tgkill, getpid(), getpid(), signal);
    errno = saved;
}

void tine__ask_open(lua_State *L, struct channel *channel) {
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_ONSTACK};
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    ask.channel = channel;
    ask.has_timer = false; /* one of a worker that we descend from is not ours */
    sigaction(ASK_SIGNAL, &action, NULL);
}

static void arm(lua_State *L) {
    tine__running_thread = L;
    ask.next = FIRST_LOOK;
    ask.before.L = NULL;
    ask.armed = 1;
    atomic_signal_fence(memory_order_seq_cst);
}

bool tine__ask_begin(lua_State *L, struct channel *channel) {
    if (channel == ask.channel)
        arm(L);
    return channel->asked(channel); /* the signal may have come before */
}

void tine__ask_end(lua_State *L, const struct channel *channel) {
    if (channel == ask.channel)
        disarm(L);
}

void tine__ask_leave(struct ask_below *below, const struct channel *channel) {
    *below = (struct ask_below){tine__running_thread, ask.armed};
    if (channel == ask.channel)
        disarm(tine__running_thread);
}

void tine__ask_return(const struct ask_below *below, const struct channel *channel) {
    if (channel != ask.channel)
        return;
    if (below->armed) {
        arm(below->running);
        if (ask.channel->asked(ask.channel)) /* the signal may have come before */
            look();
    }
    tine__running_thread = below->running;
}

bool tine__ask_pending(const struct channel *channel) {
    return channel == ask.channel && ask.armed && ask.channel->asked(ask.channel);
}

bool tine__ask_stopping(void) {
    return ask.channel && ask.channel->asked(ask.channel);
}

/* --- the answer --- */

void tine__ask_answer(lua_State *L, const struct channel *channel, struct buf *out,
                      uint64_t since) {
    size_t len;
    KILL_POINT("ended");
    out->len = 0;
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &traceback_key) == LUA_TSTRING) {
        const char *text = lua_tolstring(L, -1, &len);
        if (buf_append(out, text, len))
            out->len = 0;
    }
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &traceback_key);
    if (channel == ask.channel) /* else they are the program's */
        tine__family_kill_since(since);
}
