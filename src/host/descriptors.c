/* Descriptors as integers, because Lua's files have buffers and cannot be polled. */
#include "host/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <lauxlib.h>

#define COPY_BYTES 65536

static int descriptor(lua_State *L, int arg) {
    return (int)luaL_checkinteger(L, arg);
}

static bool is_folder(int fd) {
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);
}

/* open(path, mode) -> fd. Modes: "r" (no folder, which cannot be read; a named pipe at once, before
** somebody writes into it), "w" (creates or empties the file), "a" (writes go to its end) */
static int cli_open(lua_State *L) {
    const char *path = luaL_checkstring(L, 1), *mode = luaL_checkstring(L, 2);
    int flags = O_CLOEXEC | (*mode == 'r'   ? O_RDONLY | O_NONBLOCK
                             : *mode == 'w' ? O_RDWR | O_CREAT | O_TRUNC
                                            : O_RDWR | O_CREAT | O_APPEND);
    int fd = open(path, flags, 0666);
    if (fd != -1 && is_folder(fd)) {
        close(fd);
        fd = -1;
        errno = EISDIR;
    }
    if (fd == -1)
        return luaL_fileresult(L, 0, path);
    lua_pushinteger(L, fd);
    return 1;
}

static int unlinked(const char *folder) {
    char name[PATH_MAX];
    snprintf(name, sizeof name, "%s/tine-XXXXXX", folder);
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd != -1)
        unlink(name);
    return fd;
}

/* temporary([folder]) -> fd of a file without a name, in $TMPDIR or /tmp if nothing is said */
static int cli_temporary(lua_State *L) {
    const char *folder = luaL_optstring(L, 1, getenv("TMPDIR"));
    if (!folder || !*folder) /* empty is unset, as for mktemp(1) */
        folder = "/tmp";
    int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd == -1) /* the file system does not support O_TMPFILE */
        fd = unlinked(folder);
    if (fd == -1)
        return luaL_fileresult(L, 0, folder);
    lua_pushinteger(L, fd);
    return 1;
}

/* room(fd) -> whether this file, which is empty and stays so, could grow; nil and why not */
static int cli_room(lua_State *L) {
    static const char bytes[8193]; /* more than any file system keeps beside the blocks of a file */
    int fd = descriptor(L, 1);
    ssize_t n = pwrite(fd, bytes, sizeof bytes, 0);
    if (n > 0 && n < (ssize_t)sizeof bytes)
        n = pwrite(fd, bytes, sizeof bytes - (size_t)n, n); /* says why it was less */
    bool ok = n != -1 && ftruncate(fd, 0) == 0;
    return luaL_fileresult(L, ok, NULL);
}

/* memory(text) -> fd of a file in memory with this content */
static int cli_memory(lua_State *L) {
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    int fd = memfd_create("tine block", MFD_CLOEXEC);
    for (size_t at = 0; fd != -1 && at < len;) {
        ssize_t n = pwrite(fd, text + at, len - at, (off_t)at);
        if (n <= 0) {
            int err = errno;
            close(fd);
            errno = err;
            return luaL_fileresult(L, 0, "memory");
        }
        at += (size_t)n;
    }
    if (fd == -1)
        return luaL_fileresult(L, 0, "memory");
    lua_pushinteger(L, fd);
    return 1;
}

/* close(fd) */
static int cli_close(lua_State *L) {
    return luaL_fileresult(L, close(descriptor(L, 1)) == 0, NULL);
}

/* duplicate(fd, to): make `to` a duplicate of fd */
static int cli_duplicate(lua_State *L) {
    return luaL_fileresult(L, dup2(descriptor(L, 1), descriptor(L, 2)) != -1, NULL);
}

/* path(fd) -> a name by which our workers can open it; nil and why there is none: /proc is missing,
** another pid namespace's, or shows nothing of this program, which only root may read. */
static int cli_path(lua_State *L) {
    int fd = descriptor(L, 1);
    struct stat ours, named;
    const char *path = lua_pushfstring(L, "/proc/%d/fd/%d", (int)getpid(), fd);
    if (fstat(fd, &ours) == -1 || stat(path, &named) == -1)
        return luaL_fileresult(L, 0, path);
    if (ours.st_dev == named.st_dev && ours.st_ino == named.st_ino)
        return 1;
    lua_pushnil(L);
    lua_pushfstring(L, "%s: /proc is not of this pid namespace", path);
    return 2;
}

/* size(fd) -> bytes; 0 for other descriptors than files */
static int cli_size(lua_State *L) {
    struct stat st;
    if (fstat(descriptor(L, 1), &st) == -1)
        return luaL_fileresult(L, 0, NULL);
    lua_pushinteger(L, S_ISREG(st.st_mode) ? (lua_Integer)st.st_size : 0);
    return 1;
}

/* remaining(fd) -> bytes of a file that were not read yet; nil for other descriptors */
static int cli_remaining(lua_State *L) {
    int fd = descriptor(L, 1);
    struct stat st;
    if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
        return 0;
    lua_pushinteger(L, (lua_Integer)(st.st_size - lseek(fd, 0, SEEK_CUR)));
    return 1;
}

/* file_size(path) -> bytes; 0 if there is nothing; nil for other things than files. Opens nothing: a
** pipe would take that for its reader. */
static int cli_file_size(lua_State *L) {
    struct stat st;
    bool there = stat(luaL_checkstring(L, 1), &st) == 0;
    if (there && !S_ISREG(st.st_mode))
        return 0;
    lua_pushinteger(L, there ? (lua_Integer)st.st_size : 0);
    return 1;
}

/* truncate(fd, bytes) */
static int cli_truncate(lua_State *L) {
    int ok = ftruncate(descriptor(L, 1), (off_t)luaL_checkinteger(L, 2)) == 0;
    return luaL_fileresult(L, ok, NULL);
}

/* contents(fd, bytes [, at]) -> text: at most this many bytes of a file, from an offset on */
static int cli_contents(lua_State *L) {
    size_t wanted = (size_t)luaL_checkinteger(L, 2);
    off_t at = (off_t)luaL_optinteger(L, 3, 0);
    luaL_Buffer b;
    char *text = luaL_buffinitsize(L, &b, wanted);
    ssize_t n = pread(descriptor(L, 1), text, wanted, at);
    if (n == -1)
        return luaL_fileresult(L, 0, NULL);
    luaL_pushresultsize(&b, (size_t)n);
    return 1;
}

/* Has no other process the file open? Only then a write lease is granted. */
static bool is_ours_alone(int fd) {
    return fcntl(fd, F_SETLEASE, F_WRLCK) == 0 && fcntl(fd, F_SETLEASE, F_UNLCK) == 0;
}

/* collect(fd, bytes [, drop]) -> text, empty: the whole content of a file, or "" with `drop`; and
** whether the file was emptied and may be reused, because no other process can still write to it.
** nil if it has more bytes. */
static int cli_collect(lua_State *L) {
    int fd = descriptor(L, 1);
    lua_Integer most = luaL_checkinteger(L, 2);
    bool drop = lua_toboolean(L, 3),
         alone = is_ours_alone(fd); /* checked first, so that nothing is added after reading */
    struct stat st;
    if (fstat(fd, &st) == -1)
        return luaL_fileresult(L, 0, NULL);
    if (st.st_size > most && !drop)
        return 0;
    size_t size = drop ? 0 : (size_t)st.st_size;
    luaL_Buffer b;
    char *text = luaL_buffinitsize(L, &b, size);
    ssize_t n = size > 0 ? pread(fd, text, size, 0) : 0;
    if (n == -1)
        return luaL_fileresult(L, 0, NULL);
    luaL_pushresultsize(&b, (size_t)n);
    /* truncating an empty file is not free: some file systems write a journal */
    lua_pushboolean(L, alone && (st.st_size == 0 || ftruncate(fd, 0) == 0));
    return 2;
}

/* Wait until a descriptor that somebody has made non-blocking can be written. False: errno, EINTR
** too. */
static bool wait_for_room(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, -1) != -1;
}

/* When the reader has gone, end as other filters do, also if the signal was ignored or blocked. The
** first process of a pid namespace (the program of a container) survives its own signals. */
static _Noreturn void die_of_sigpipe(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    signal(SIGPIPE, SIG_DFL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    raise(SIGPIPE);
    _exit(128 + SIGPIPE);
}

/* write(fd, text [, at]) -> the offset behind what was written, from 1. After an interrupt that is
** less than all: Lua handles the signal and calls again */
static int cli_write(lua_State *L) {
    int fd = descriptor(L, 1);
    size_t len, at = (size_t)luaL_optinteger(L, 3, 1) - 1;
    const char *text = luaL_checklstring(L, 2, &len);
    for (bool written = false; at < len && !written;) {
        ssize_t n = write(fd, text + at, len - at);
        written = n >= 0;
        if (written)
            at += (size_t)n;
        else if (errno == EAGAIN && wait_for_room(fd))
            continue;
        else if (errno == EPIPE)
            die_of_sigpipe();
        else if (errno == EINTR)
            break;
        else
            return luaL_fileresult(L, 0, NULL);
    }
    lua_pushinteger(L, (lua_Integer)at + 1);
    return 1;
}

/* lock(fd, whether) -> whether it was done: lock the file for this process, or unlock it;
** false: try again */
static int cli_lock(lua_State *L) {
    bool lock = lua_toboolean(L, 2);
    lua_pushboolean(L, flock(descriptor(L, 1), lock ? LOCK_EX : LOCK_UN) == 0);
    return 1;
}

/* make_folder(path): succeeds also if the folder exists */
static int cli_make_folder(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    struct stat st;
    bool made = mkdir(path, 0777) == 0;
    if (!made && errno == EEXIST && stat(path, &st) == 0) {
        made = S_ISDIR(st.st_mode);
        errno = ENOTDIR;
    }
    return luaL_fileresult(L, made, path);
}

/* Limit for `poll`. */
enum { MOST_POLLED = 4096 };

static nfds_t take_list(lua_State *L, struct pollfd *list) {
    nfds_t n = (nfds_t)lua_rawlen(L, 1);
    luaL_argcheck(L, n <= MOST_POLLED, 1, "too many descriptors");
    for (nfds_t i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        list[i] = (struct pollfd){.fd = (int)lua_tointeger(L, -1), .events = POLLIN};
        lua_pop(L, 1);
    }
    return n;
}

/* poll(list, seconds|nil [, output]) -> ...: whether each descriptor of the list is readable (or at
** its end). Returns early when a signal comes. If the reader of descriptor `output` goes away
** meanwhile, the process dies of SIGPIPE. */
static int cli_poll(lua_State *L) {
    struct pollfd list[MOST_POLLED + 1];
    nfds_t n = take_list(L, list), all = n;
    double seconds = luaL_optnumber(L, 2, -1);
    if (!lua_isnoneornil(L, 3))
        list[all++] = (struct pollfd){.fd = descriptor(L, 3)};
    int timeout = seconds < 0 ? -1 : seconds > 1e6 ? 1000000000 : (int)(seconds * 1e3 + 0.999);
    int ready = poll(list, all, timeout);
    if (ready > 0 && all > n && list[n].revents & POLLERR)
        die_of_sigpipe();
    luaL_checkstack(L, (int)n, "poll");
    for (nfds_t i = 0; i < n; i++)
        lua_pushboolean(L, ready > 0 && list[i].revents != 0);
    return (int)n;
}

/* copy(from, at, to) -> the offset behind what was copied: one block of a file, from an offset
** on */
static int cli_copy(lua_State *L) {
    char block[COPY_BYTES];
    off_t at = (off_t)luaL_checkinteger(L, 2);
    int from = descriptor(L, 1), to = descriptor(L, 3);
    ssize_t n = pread(from, block, sizeof block, at);
    if (n == -1)
        return luaL_fileresult(L, 0, NULL);
    lua_pushcfunction(L, cli_write);
    lua_pushinteger(L, to);
    lua_pushlstring(L, block, (size_t)n);
    lua_call(L, 2, 3);
    if (lua_isnil(L, -3))
        return 3;
    lua_pushinteger(L, (lua_Integer)at + lua_tointeger(L, -3) - 1);
    return 1;
}

void add_descriptors(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"open", cli_open},
        {"temporary", cli_temporary},
        {"memory", cli_memory},
        {"room", cli_room},
        {"close", cli_close},
        {"duplicate", cli_duplicate},
        {"path", cli_path},
        {"size", cli_size},
        {"remaining", cli_remaining},
        {"file_size", cli_file_size},
        {"truncate", cli_truncate},
        {"contents", cli_contents},
        {"collect", cli_collect},
        {"write", cli_write},
        {"lock", cli_lock},
        {"make_folder", cli_make_folder},
        {"poll", cli_poll},
        {"copy", cli_copy},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
