#include "base/sys.h"

#include <errno.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>

#include "base/fault.h"
#include "base/own.h"

/* Names of the table that libc has not, or calls otherwise. */

static int thread_create(pthread_t *t, const pthread_attr_t *attr, void *(*run)(void *),
                         void *arg) {
    return pthread_create(t, attr, run, arg);
}

/* Without the handlers that others have registered (pthread_atfork): a library's would close descriptors by
** numbers that are ours by then, below the root, where all of its own are closed. What else libc does in a
** fork (the thread's id, robust mutexes) is done; its locks are free, for we fork where there is one thread. */
static pid_t fork_alone(void) {
#if defined(__GLIBC__) && !__GLIBC_PREREQ(2, 34)
    return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
#else
    return _Fork();
#endif
}
#define fork() fork_alone()

static int pidfd_open(pid_t pid, unsigned flags) {
    return (int)syscall(SYS_pidfd_open, pid, flags);
}

int tine__fstat(int fd, struct stat *st) {
    static OWN char here[1];
    return fstatat(fd, here, st, AT_EMPTY_PATH);
}
#define fstat(fd, st) tine__fstat(fd, st)

#ifdef TINE_FAULTS

/* What a call of this name returns when a fault strikes. */
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
