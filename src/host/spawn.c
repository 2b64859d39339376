/* Commands of tine map -x: started by a worker, with descriptors of the worker as their streams. */
#include "host/cli.h"
#include "worker/process/process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <lauxlib.h>

#define CHILD "tine.cli.host.child"
/* Of a child until it executes the program: room for all registers of the largest processors. */
#define STACK 32768

struct child {
    pid_t pid; /* 0: was waited for */
    int pidfd; /* -1: was not asked for */
};

static struct child *check_child(lua_State *L) {
    return luaL_checkudata(L, 1, CHILD);
}

/* Signals for which the command must begin with the default action: SIGPIPE, so that a broken pipe
** ends it; and those with a handler here, read once because handlers do not change in a worker. */
struct defaults {
    int list[NSIG];
    int n;
};

static const struct defaults *defaults(void) {
    static struct defaults d;
    struct sigaction a;
    if (d.n == 0) {
        d.list[d.n++] = SIGPIPE;
        for (int s = 1; s < NSIG; s++)
            if (s != SIGPIPE && sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_IGN &&
                a.sa_handler != SIG_DFL)
                d.list[d.n++] = s;
    }
    return &d;
}

/* A program to start. The child stores in `err`, in our memory, why it could not be started. */
struct start {
    const char *path;
    char **argv;
    int streams[3];
    const struct defaults *defaults;
    volatile int err;
};

/* Runs in the child, in our memory (CLONE_VM), and with all signals blocked until no handler of
** ours can run any more. Does not return, so AddressSanitizer would believe that its stack stays in
** use, but the stack is reused afterwards. */
__attribute__((no_sanitize_address)) static int become(void *start) {
    struct start *s = start;
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    sigemptyset(&none);
    for (int i = 0; i < s->defaults->n; i++)
        sigaction(s->defaults->list[i], &plain, NULL);
    bool ok = true;
    for (int i = 0; i < 3 && ok; i++)
        ok = dup2(s->streams[i], i) != -1;
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (ok)
        execve(s->path, s->argv, environ);
    s->err = errno;
    _exit(127);
}

/* Start it; returns an errno. Blocks until the child runs the program or has failed. posix_spawn
** does the same but takes longer than all the rest: it sets every signal and maps a stack each
** time. */
static int start(struct child *c, struct start *s) {
    _Alignas(16) char stack[STACK];
    sigset_t all, before;
    s->defaults = defaults();
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(become, stack + sizeof stack, CLONE_VM | CLONE_VFORK | SIGCHLD, s);
    int err = pid == -1 ? errno : s->err;
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid != -1 && err)
        tine__process_reap(pid);
    c->pid = err ? 0 : pid;
    return err;
}

/* The words of the list at `arg`, ended by NULL, in a userdata that is pushed. */
static char **check_words(lua_State *L, int arg) {
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Integer n = luaL_len(L, arg);
    char **words = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *words, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        luaL_argcheck(L, lua_rawgeti(L, arg, i) == LUA_TSTRING, arg, "not a list of strings");
        size_t length;
        words[i - 1] = (char *)lua_tolstring(L, -1, &length); /* the list keeps it alive */
        if (strlen(words[i - 1]) != length) {
            lua_pushliteral(L, "a command cannot have a zero byte");
            lua_error(L);
        }
        lua_pop(L, 1);
    }
    words[n] = NULL;
    return words;
}

/* spawn(path, words, in, out, err) -> child. A child that is closed or collected before it has
** ended is killed. */
static int child_spawn(lua_State *L) {
    struct start s = {.path = luaL_checkstring(L, 1)};
    for (int i = 0; i < 3; i++)
        s.streams[i] = (int)luaL_checkinteger(L, i + 3);
    s.argv = check_words(L, 2);
    struct child *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (struct child){0, -1};
    luaL_setmetatable(L, CHILD);
    int err = start(c, &s);
    if (!err)
        return 1;
    errno = err;
    return luaL_fileresult(L, 0, s.argv[0]);
}

/* child:fd() -> a descriptor that becomes readable when the command has ended */
static int child_fd(lua_State *L) {
    struct child *c = check_child(L);
    if (c->pidfd == -1)
        c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pidfd == -1)
        return luaL_fileresult(L, 0, NULL);
    lua_pushinteger(L, c->pidfd);
    return 1;
}

/* child:wait() -> exit code, or 0 and a signal; nothing after an interrupt */
static int child_wait(lua_State *L) {
    struct child *c = check_child(L);
    int status;
    if (waitpid(c->pid, &status, 0) == -1)
        return errno == EINTR ? 0 : luaL_fileresult(L, 0, NULL);
    c->pid = 0;
    lua_pushinteger(L, WIFEXITED(status) ? WEXITSTATUS(status) : 0);
    lua_pushinteger(L, WIFSIGNALED(status) ? WTERMSIG(status) : 0);
    return 2;
}

static int child_close(lua_State *L) {
    struct child *c = check_child(L);
    if (c->pid > 0) {
        kill(c->pid, SIGKILL);
        tine__process_reap(c->pid);
    }
    if (c->pidfd != -1)
        close(c->pidfd);
    *c = (struct child){0, -1};
    return 0;
}

/* pipe([for_another]) -> read end, write end. The read end is non-blocking, unless it is for
** another program */
static int child_pipe(lua_State *L) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) == -1)
        return luaL_fileresult(L, 0, NULL);
    if (!lua_toboolean(L, 1))
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    lua_pushinteger(L, ends[0]);
    lua_pushinteger(L, ends[1]);
    return 2;
}

/* signal_name(number) -> "SIGTERM", or nil */
static int signal_name(lua_State *L) {
    const char *name = sigabbrev_np((int)luaL_checkinteger(L, 1));
    if (name)
        lua_pushfstring(L, "SIG%s", name);
    else
        lua_pushnil(L);
    return 1;
}

void add_spawn(lua_State *L) {
    static const luaL_Reg methods[] = {{"fd", child_fd},
                                       {"wait", child_wait},
                                       {"__close", child_close},
                                       {"__gc", child_close},
                                       {NULL, NULL}};
    static const luaL_Reg functions[] = {
        {"spawn", child_spawn}, {"pipe", child_pipe}, {"signal_name", signal_name}, {NULL, NULL}};
    luaL_newmetatable(L, CHILD);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
