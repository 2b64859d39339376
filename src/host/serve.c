/* The C half of tine serve, on top of serve/serve.h; and random bytes for keys. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "base/clock.h"
#include "bind/view.h"
#include "host/cli.h"
#include "serve/serve.h"

/* --- output --- */

struct sayer {
    const char *url, *name;
    unsigned workers;
};

static void say_registered(void *arg) {
    const struct sayer *s = arg;
    printf("tine: serving %s as %s with %u workers\n", s->url, s->name, s->workers);
    fflush(stdout);
}

static void log_line(void *arg, const char *line) {
    char when[32];
    time_t now = time(NULL);
    struct tm tm;
    (void)arg;
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    fprintf(stderr, "%s tine serve: %s\n", when, line);
}

/* --- options --- */

static const char *text(lua_State *L, const char *name) {
    lua_getfield(L, 2, name); /* stays on the stack */
    return lua_tostring(L, -1);
}

static uint64_t seconds(lua_State *L, const char *name, uint64_t none) {
    lua_getfield(L, 2, name);
    uint64_t ns = lua_isnil(L, -1) ? none : clock_span(lua_tonumber(L, -1));
    lua_pop(L, 1);
    return ns;
}

static bool flag(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    bool set = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return set;
}

static uint64_t number(lua_State *L, const char *name) {
    lua_getfield(L, 2, name);
    uint64_t n = (uint64_t)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return n;
}

/* The name of this host, as in messages and in the server's list. */
static void read_name(lua_State *L, char out[GM_NAME]) {
    const char *name = text(L, "name");
    if (name && *name)
        snprintf(out, GM_NAME, "%s", name);
    else if (gethostname(out, GM_NAME) == -1)
        snprintf(out, GM_NAME, "unknown");
    out[GM_NAME - 1] = 0;
    for (char *p = out; *p; p++)
        if ((unsigned char)*p <= ' ')
            *p = '_';
    lua_pop(L, 1);
}

/* Returns NULL, or a text that tells what is wrong. */
static const char *read_options(lua_State *L, struct serve_options *o) {
    static char why[512];
    const char *other, *url = text(L, "url"), *key = text(L, "key");
    if (!tine__gm_resolve(url, &o->servers, why, sizeof why))
        return why;
    if (key && !tine__seal_read(key, &o->keys, why, sizeof why))
        return why;
    if (!key && !tine__gm_are_loopback(&o->servers, &other)) {
        snprintf(why, sizeof why, "--key is needed: %s is not on this machine (tine key makes one)",
                 other);
        return why;
    }
    read_name(L, o->name);
    o->workers = (unsigned)number(L, "workers");
    o->timeout = seconds(L, "timeout", 0);
    o->memory = number(L, "memory");
    o->cache = number(L, "cache");
    if (o->cache == 0)
        o->cache = SERVE_CACHE;
    o->finish = flag(L, "finish");
    o->only_modules = flag(L, "only_modules");
    o->idle = seconds(L, "exit_when_idle", 0);
    o->alone = seconds(L, "exit_without_server", 0);
    o->lost_after = 15000000000u;
    return NULL;
}

/* read_serve(options) -> the options for `serve`, or nil and a message. Called once, since a key
** may be read from a pipe. */
static int read_serve(lua_State *L) {
    lua_settop(L, 1);
    struct serve_options *o = lua_newuserdatauv(L, sizeof *o, 0);
    lua_insert(L, 1);
    *o = (struct serve_options){0};
    const char *why = read_options(L, o);
    if (!why) {
        lua_pushvalue(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

/* The pool behind a handle of this state, which serve.lua has just made. */
static struct pool *pool_of(lua_State *L, int arg) {
    const struct view *v = lua_touserdata(L, arg);
    bool ok = v && luaL_getmetafield(L, arg, "__name") == LUA_TSTRING &&
              strcmp(lua_tostring(L, -1), "tine.pool") == 0 && v->core->p;
    luaL_argcheck(L, ok, arg, "a pool of tine.pool");
    lua_pop(L, 1);
    return v->core->p;
}

/* serve(pool, options, result of read_serve) -> why it ended: "asked", "forced", "idle", "alone",
** "broken", "failed" */
static int serve(lua_State *L) {
    static const char *const ends[] = {
        [SERVE_ASKED] = "asked", [SERVE_FORCED] = "forced", [SERVE_IDLE] = "idle",
        [SERVE_ALONE] = "alone", [SERVE_BROKEN] = "broken", [SERVE_FAILED] = "failed"};
    struct pool *pool = pool_of(L, 1);
    struct serve_options *o = lua_touserdata(L, 3);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argexpected(L, o, 3, "options");
    struct sayer sayer = {text(L, "url"), o->name, o->workers};
    o->registered = say_registered;
    o->log = log_line;
    o->arg = &sayer;
    lua_pushstring(L, ends[tine__serve(pool, o)]);
    return 1;
}

/* random(n): so many random bytes */
static int random_bytes(lua_State *L) {
    char bytes[256];
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 0 && n <= (lua_Integer)sizeof bytes, 1, "at most 256");
    if (!tine__seal_random(bytes, (size_t)n))
        return luaL_error(L, "no random bytes to be had");
    lua_pushlstring(L, bytes, (size_t)n);
    return 1;
}

/* protect_stdout(): if stdout is a regular file, let only its owner read it */
static int protect_stdout(lua_State *L) {
    struct stat st;
    if (fstat(STDOUT_FILENO, &st) == 0 && S_ISREG(st.st_mode) && fchmod(STDOUT_FILENO, 0600) == -1)
        return luaL_fileresult(L, 0, "stdout");
    lua_pushboolean(L, 1);
    return 1;
}

/* signals([terminal]) -> a descriptor that is readable when SIGTERM or SIGINT has come, or, if those
** of a terminal are wanted, SIGHUP or SIGWINCH; these no longer end the process */
static int signals(lua_State *L) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    if (lua_toboolean(L, 1)) {
        sigaddset(&set, SIGHUP);
        sigaddset(&set, SIGWINCH);
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd == -1)
        return luaL_fileresult(L, 0, "signalfd");
    lua_pushinteger(L, fd);
    return 1;
}

/* take_signal(fd) -> the signal that had come, and whether it asks to end; or nil */
static int take_signal(lua_State *L) {
    struct signalfd_siginfo info;
    if (read((int)luaL_checkinteger(L, 1), &info, sizeof info) != sizeof info)
        return 0;
    lua_pushinteger(L, info.ssi_signo);
    lua_pushboolean(L, info.ssi_signo != SIGWINCH);
    return 2;
}

void add_serve(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"serve", serve},     {"read_serve", read_serve},   {"random", random_bytes},
        {"signals", signals}, {"take_signal", take_signal}, {"protect_stdout", protect_stdout},
        {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
