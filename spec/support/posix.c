/* What specs need of the system and Lua has not: compiled and loaded by support/posix.lua. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <lauxlib.h>
#include <lua.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
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

/* close(first, last): all descriptors from first to last */
static int spec_close(lua_State *L) {
    for (int fd = (int)luaL_checkinteger(L, 1); fd <= luaL_checkinteger(L, 2); fd++)
        close(fd);
    return 0;
}

/* replace(first, last, file): put that file (opened once, for reading and writing) in the place of each descriptor
** from first to last that is open -> how many */
static int spec_replace(lua_State *L) {
    int file = open(luaL_checkstring(L, 3), O_RDWR | O_CREAT, 0600), n = 0;
    for (int fd = (int)luaL_checkinteger(L, 1); fd <= luaL_checkinteger(L, 2); fd++)
        if (fd != file && fcntl(fd, F_GETFD) != -1)
            n += dup2(file, fd) == fd;
    close(file);
    lua_pushinteger(L, n);
    return 1;
}

/* become(id): that user and group, and no other groups */
static int spec_become(lua_State *L) {
    gid_t id = (gid_t)luaL_checkinteger(L, 1);
    if (setgroups(0, NULL) || setresgid(id, id, id) || setresuid(id, id, id))
        return luaL_error(L, "cannot become another user");
    return 0;
}

/* chroot(path) */
static int spec_chroot(lua_State *L) {
    if (chroot(luaL_checkstring(L, 1)) || chdir("/"))
        return luaL_error(L, "cannot chroot");
    return 0;
}

/* limit(files): both limits on open descriptors; nice(n); pin(): to processor 0; no_new_privs() */
static int spec_limit(lua_State *L) {
    rlim_t n = (rlim_t)luaL_checkinteger(L, 1);
    const struct rlimit limit = {n, n};
    lua_pushboolean(L, setrlimit(RLIMIT_NOFILE, &limit) == 0);
    return 1;
}

static int spec_nice(lua_State *L) {
    lua_pushboolean(L, setpriority(PRIO_PROCESS, 0, (int)luaL_checkinteger(L, 1)) == 0);
    return 1;
}

static int spec_pin(lua_State *L) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(0, &one);
    lua_pushboolean(L, sched_setaffinity(0, sizeof one, &one) == 0);
    return 1;
}

static int spec_no_new_privs(lua_State *L) {
    lua_pushboolean(L, prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    return 1;
}

/* subreaper(): orphans of this process's descendants become its children */
static int spec_subreaper(lua_State *L) {
    lua_pushboolean(L, prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0);
    return 1;
}

/* nonblocking(fd): for all processes that have the same open file */
static int spec_nonblocking(lua_State *L) {
    int fd = (int)luaL_checkinteger(L, 1);
    lua_pushboolean(L, fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) == 0);
    return 1;
}

/* unread(path): how many bytes lie in this pipe (/proc/PID/fd/N) */
static int spec_unread(lua_State *L) {
    int bytes = 0, fd = open(luaL_checkstring(L, 1), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd == -1 || ioctl(fd, FIONREAD, &bytes) == -1)
        bytes = -1;
    if (fd != -1)
        close(fd);
    lua_pushinteger(L, bytes);
    return 1;
}

/* ignore(signal) */
static int spec_ignore(lua_State *L) {
    signal((int)luaL_checkinteger(L, 1), SIG_IGN);
    return 0;
}

static struct {
    lua_Alloc allocate; /* NULL: nobody starves */
    void *ud;
    lua_Integer left;
    int refused;
} hunger;

static void *starving(void *ud, void *block, size_t old_size, size_t size) {
    int grows = size > 0 && (!block || size > old_size);
    if (grows && hunger.refused < 2 && hunger.left-- <= 0) {
        hunger.refused++;
        return NULL;
    }
    return hunger.allocate(ud, block, old_size, size);
}

/* starve(n): after n more allocations this state gets no memory, once: Lua collects its garbage and
** asks again, and is refused again. To be ended by feed() -> was any refused? */
static int spec_starve(lua_State *L) {
    hunger.left = luaL_checkinteger(L, 1);
    hunger.refused = 0;
    hunger.allocate = lua_getallocf(L, &hunger.ud);
    lua_setallocf(L, starving, hunger.ud);
    return 0;
}

static int spec_feed(lua_State *L) {
    if (hunger.allocate)
        lua_setallocf(L, hunger.allocate, hunger.ud);
    hunger.allocate = NULL;
    lua_pushboolean(L, hunger.refused > 0);
    return 1;
}

int luaopen_spec_posix(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"fork", spec_fork},         {"wait", spec_wait},
        {"exit", spec_exit},         {"segv", spec_segv},
        {"reap_all", spec_reap_all}, {"setenv", spec_setenv},
        {"readable", spec_readable}, {"close", spec_close},
        {"replace", spec_replace},   {"become", spec_become},
        {"chroot", spec_chroot},     {"limit", spec_limit},
        {"nice", spec_nice},         {"pin", spec_pin},
        {"ignore", spec_ignore},     {"no_new_privs", spec_no_new_privs},
        {"subreaper", spec_subreaper}, {"nonblocking", spec_nonblocking},
        {"unread", spec_unread},       {"starve", spec_starve},
        {"feed", spec_feed},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
