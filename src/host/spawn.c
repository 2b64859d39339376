/* Commands of tine map -x, started by a worker: by sh, with descriptors of ours as its streams. */
#include "host/cli.h"
#include "worker/process.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <fcntl.h>
#include <lauxlib.h>

#define CHILD "tine.cli_host.child"

extern char **environ;

struct child {
    pid_t pid; /* 0: has been waited for */
    int pidfd; /* -1: not asked for */
};

static struct child *check_child(lua_State *L) {
    return luaL_checkudata(L, 1, CHILD);
}

/* All but those that are ignored here, as they were when it was asked first: nobody changes them in a worker of ours. For
** each that is not among them posix_spawn asks itself, each time. */
static const sigset_t *not_ignored(void) {
    static sigset_t set;
    static bool known;
    struct sigaction a;
    if (!known) {
        sigemptyset(&set);
        for (int s = 1; s < NSIG; s++)
            if (sigaction(s, NULL, &a) == 0 && a.sa_handler != SIG_IGN)
                sigaddset(&set, s);
        known = true;
    }
    return &set;
}

/* A command begins as one that a shell starts: a broken pipe ends it, whoever started us. */
static int set_attributes(posix_spawnattr_t *attr) {
    sigset_t defaults = *not_ignored(), none;
    sigemptyset(&none);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigdefault(attr, &defaults);
    posix_spawnattr_setsigmask(attr, &none);
    return posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
}

/* Start it with streams[0..2]; gives an errno. */
static int start(struct child *c, const char *command, const int streams[3]) {
    char *argv[] = {"sh", "-c", (char *)command, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    int err = posix_spawn_file_actions_init(&actions);
    if (err)
        return err;
    for (int i = 0; i < 3 && !err; i++)
        err = posix_spawn_file_actions_adddup2(&actions, streams[i], i);
    if (!err && !(err = posix_spawnattr_init(&attr))) {
        err = set_attributes(&attr);
        if (!err)
            err = posix_spawn(&c->pid, "/bin/sh", &actions, &attr, argv, environ);
        posix_spawnattr_destroy(&attr);
    }
    posix_spawn_file_actions_destroy(&actions);
    return err;
}

/* spawn(command, in, out, err) -> child. Closed or collected before it has ended, it is killed. */
static int child_spawn(lua_State *L) {
    const char *command = luaL_checkstring(L, 1);
    int streams[3];
    for (int i = 0; i < 3; i++)
        streams[i] = (int)luaL_checkinteger(L, i + 2);
    struct child *c = lua_newuserdatauv(L, sizeof *c, 0);
    *c = (struct child){0, -1};
    luaL_setmetatable(L, CHILD);
    int err = start(c, command, streams);
    if (!err)
        return 1;
    c->pid = 0;
    errno = err;
    return luaL_fileresult(L, 0, "sh");
}

/* child:fd() -> a descriptor that is readable once the command has ended */
static int child_fd(lua_State *L) {
    struct child *c = check_child(L);
    if (c->pidfd == -1)
        c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
    if (c->pidfd == -1)
        return luaL_fileresult(L, 0, NULL);
    lua_pushinteger(L, c->pidfd);
    return 1;
}

/* child:wait() -> exit code, or 0 and a signal; nothing when interrupted */
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

/* pipe([for_another]) -> read end, write end; nobody waits at the read end, unless it is for another program */
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
