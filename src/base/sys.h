/* The calls by which the core gets something that may be exhausted (memory, descriptors, processes,
** threads, messages and room for them), in one table.
**
** The core calls `sys.mmap(...)`, never `mmap(...)`, so that a test can make any of them fail by
** name and count (base/fault.c, in builds with TINE_FAULTS). In other builds the table is constant,
** and the compiler calls the functions directly.
**
** Not in the table: calls on something that exists already (read, write, poll, close, munmap, kill,
** waitpid, prctl), streams on /proc (worker/process/family.c), and what the host program does.
*/
#ifndef TINE_BASE_SYS_H
#define TINE_BASE_SYS_H

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "base/fd.h"

/* name, result, parameters, arguments: a new call is added here and nowhere else
** (base/sys.c expands it) */
#define TINE__SYS_CALLS(X) \
    X(malloc, void *, (size_t size), (size)) \
    X(calloc, void *, (size_t n, size_t size), (n, size)) \
    X(realloc, void *, (void *p, size_t size), (p, size)) \
    X(memfd_create, int, (const char *name, unsigned flags), (name, flags)) \
    X(ftruncate, int, (int fd, off_t size), (fd, size)) \
    X(mmap, void *, (void *at, size_t n, int prot, int flags, int fd, off_t off), \
      (at, n, prot, flags, fd, off)) \
    X(mprotect, int, (void *at, size_t n, int prot), (at, n, prot)) \
    X(madvise, int, (void *at, size_t n, int advice), (at, n, advice)) \
    X(fstat, int, (int fd, struct stat *st), (fd, st)) \
    X(fcntl, int, (int fd, int command, long arg), (fd, command, arg)) \
    X(pipe2, int, (int *ends, int flags), (ends, flags)) \
    X(socketpair, int, (int domain, int type, int protocol, int *fds), \
      (domain, type, protocol, fds)) \
    X(socket, int, (int domain, int type, int protocol), (domain, type, protocol)) \
    X(accept4, int, (int fd, struct sockaddr *from, socklen_t *size, int flags), \
      (fd, from, size, flags)) \
    X(sendmsg, ssize_t, (int fd, const struct msghdr *m, int flags), (fd, m, flags)) \
    X(recvmsg, ssize_t, (int fd, struct msghdr *m, int flags), (fd, m, flags)) \
    X(fork, pid_t, (void), ()) \
    X(fork_unseen, pid_t, (void), ()) \
    X(pidfd_open, int, (pid_t pid, unsigned flags), (pid, flags)) \
    X(signalfd, int, (int fd, const sigset_t *mask, int flags), (fd, mask, flags)) \
    X(open, int, (const char *path, int flags), (path, flags)) \
    X(openat, int, (int folder, const char *path, int flags, mode_t mode), \
      (folder, path, flags, mode)) \
    X(epoll_create1, int, (int flags), (flags)) \
    X(epoll_ctl, int, (int epoll, int what, int fd, struct epoll_event *event), \
      (epoll, what, fd, event)) \
    X(timerfd_create, int, (int clock, int flags), (clock, flags)) \
    X(dup3, int, (int from, int to, int flags), (from, to, flags)) \
    X(close_range, int, (unsigned first, unsigned last, int flags), (first, last, flags)) \
    X(posix_spawn, int, \
      (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions, \
       const posix_spawnattr_t *attr, char *const argv[], char *const envp[]), \
      (pid, path, actions, attr, argv, envp)) \
    X(thread_create, int, \
      (pthread_t * t, const pthread_attr_t *attr, void *(*run)(void *), void *arg), \
      (t, attr, run, arg))

struct tine__sys {
#define TINE__SYS_MEMBER(name, result, params, args) result(*name) params;
    TINE__SYS_CALLS(TINE__SYS_MEMBER)
#undef TINE__SYS_MEMBER
};

#ifdef TINE_FAULTS
extern struct tine__sys tine__sys;
/* Kill this process (SIGKILL) here if a test asked for that: TINE_KILL=name or name:count. */
void tine__kill_point(const char *name);
#define KILL_POINT(name) tine__kill_point(name)
#else
extern const struct tine__sys tine__sys;
#define KILL_POINT(name) ((void)0)
#endif

#define sys tine__sys

/* Monotonic time in nanoseconds. */
static inline unsigned long long tine__now(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (unsigned long long)ts.tv_sec * 1000000000ull + (unsigned long long)ts.tv_nsec;
}

/* Likewise, some milliseconds old at most, at a fifth of the cost. For checking
** whether something took long. */
static inline unsigned long long tine__now_coarse(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
    return (unsigned long long)ts.tv_sec * 1000000000ull + (unsigned long long)ts.tv_nsec;
}

/* fstat without faults from the table. (It is also what sys.fstat calls: libc's passes the kernel
** an empty path in a page of libc that a worker touches for nothing else.) */
int tine__fstat(int fd, struct stat *st);

#endif
