/* What specs need of the system and Lua has not: compiled and loaded by support/posix.lua. */
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* fork() -> pid, or 0 in the child */
static int spec_fork(lua_State *L) {
    lua_pushinteger(L, fork());
    return 1;
}

/* wait(pid) -> "exit" or "signal", number; nil when there is no such child. -1: any child. */
static int spec_wait(lua_State *L) {
    int status;
    pid_t pid = waitpid((pid_t)luaL_checkinteger(L, 1), &status, 0);
    if (pid <= 0) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushstring(L, WIFSIGNALED(status) ? "signal" : "exit");
    lua_pushinteger(L, WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    return 2;
}

/* _exit(code): ends without any clean-up */
static int spec_exit(lua_State *L) {
    _exit((int)luaL_checkinteger(L, 1));
}

/* segv(): writes where nothing is */
static int spec_segv(lua_State *L) {
    (void)L;
    signal(SIGSEGV, SIG_DFL); /* also in builds with a sanitizer */
    *(volatile int *)8 = 1;
    return 0;
}

static void reap(int signal) {
    (void)signal;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
}

/* reap_all(): from now on every child that dies is reaped by a signal handler of ours */
static int spec_reap_all(lua_State *L) {
    struct sigaction action = {.sa_handler = reap, .sa_flags = SA_RESTART};
    (void)L;
    sigaction(SIGCHLD, &action, NULL);
    return 0;
}

/* setenv(name, value) */
static int spec_setenv(lua_State *L) {
    setenv(luaL_checkstring(L, 1), luaL_checkstring(L, 2), 1);
    return 0;
}

/* readable(descriptor, seconds) -> whether it is, waiting so long at most */
static int spec_readable(lua_State *L) {
    struct pollfd p = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};
    lua_pushboolean(L, poll(&p, 1, (int)(luaL_checknumber(L, 2) * 1000)) > 0);
    return 1;
}

int luaopen_spec_posix(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"fork", spec_fork},         {"wait", spec_wait},
        {"exit", spec_exit},         {"segv", spec_segv},
        {"reap_all", spec_reap_all}, {"setenv", spec_setenv},
        {"readable", spec_readable}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
