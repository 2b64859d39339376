#include "base/sys.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "base/fault.h"
#include "base/own.h"

/* Functions of the table that libc lacks, or has under another name or type. */

static int thread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *),
                         void *arg) {
    return pthread_create(t, attr, run, arg);
}

/* fork without the handlers that other code has registered (pthread_atfork): below the root a
** library's descriptors are closed, and its handler would close by number descriptors that are ours
** by then. Whatever else libc does in a fork (thread id, robust mutexes) is done; its locks are
** free, because we fork only in processes with one thread. */
static pid_t fork_alone(void) {
#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#else
    return _Fork();
#endif
}
#define fork() fork_alone()

/* The same; but waitpid(-1) in the parent does not see this child. */
static pid_t fork_unseen(void) {
    return (pid_t)syscall(SYS_clone, 0, 0, 0, 0, 0);
}

static int pidfd_open(pid_t pid, unsigned flags) {
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

int tine__fstat(int fd, struct stat *st) {
    static OWN char here[1];
    return fstatat(fd, here, st, AT_EMPTY_PATH);
}
#define fstat(fd, st) tine__fstat(fd, st)

#ifdef TINE_FAULTS

/* What a call returns when a fault strikes it. */
#define IS_POINTER(result) _Generic((result)0, void * : true, default : false)

#define WRAP(name, result, params, args) \
    static result sys_##name params { \
        if (tine__fault_strikes(#name)) \
            return (result)tine__fault_result(#name, IS_POINTER(result)); \
        return name args; \
    }
#else
#define WRAP(name, result, params, args) \
    static result sys_##name params { \
        return name args; \
    }
#endif

TINE__SYS_CALLS(WRAP)

#define MEMBER(name, result, params, args) .name = sys_##name,
#ifdef TINE_FAULTS
struct tine__sys tine__sys = {TINE__SYS_CALLS(MEMBER)};
#else
const struct tine__sys tine__sys = {TINE__SYS_CALLS(MEMBER)};
#endif
