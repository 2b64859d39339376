#include "worker/process/process.h"

#include <errno.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "base/error.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/why.h"
#include "worker/process/output.h"

/* --- descriptors --- */

int tine__process_null(void) {
    int null = tine__fd_null();
    if (null == -1)
        return TINE_ESYSTEM;
    for (int fd = 0; fd < 3; fd++)
        if (sys.dup3(null, fd, 0) == -1) {
            tine__why(errno, "dup3: %s", strerror(errno));
            return TINE_ESYSTEM;
        }
    tine__close(&null);
    return 0;
}

/* --- signals --- */

static void empty_handler(int signal) {
    (void)signal;
}

static void all_default(void) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    for (int s = 1; s < NSIG; s++)
        sigaction(s, &plain, NULL); /* fails for SIGKILL, SIGSTOP and libc's own: fine */
}

/* What a terminal or a user sends to the whole process group. */
static void set_group(void (*handler)(int)) {
    static const int of_the_group[] = {SIGINT,  SIGQUIT, SIGTERM, SIGHUP,  SIGPIPE, SIGUSR1,
                                       SIGUSR2, SIGALRM, SIGTSTP, SIGTTIN, SIGTTOU};
    struct sigaction action = {.sa_handler = handler};
    for (size_t i = 0; i < sizeof of_the_group / sizeof *of_the_group; i++)
        sigaction(of_the_group[i], &action, NULL);
}

void tine__process_unblock_signals(void) {
    sigset_t none;
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}

void tine__process_block_signals(void) {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
}

void tine__process_signals_server(void) {
    all_default();
    set_group(SIG_IGN);
    tine__process_unblock_signals();
}

void tine__process_signals_worker(bool foreign, const struct inherit *i) {
    struct sigaction empty = {.sa_handler = empty_handler, .sa_flags = SA_RESTART};
    struct sigaction ignored = {.sa_handler = SIG_IGN};
    if (foreign)
        all_default();
    else
        set_group(SIG_DFL);
    sigaction(SIGINT, &empty, NULL);
    for (int s = 1; i->ignored && s <= 64; s++)
        if (inherit_ignores(i, s))
            sigaction(s, &ignored, NULL);
    tine__process_unblock_signals();
}

static pid_t fork_blocked(pid_t (*make)(void)) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = make();
    int saved = errno;
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

pid_t tine__process_fork(void) {
    return fork_blocked(sys.fork);
}

pid_t tine__process_fork_unseen(void) {
    return fork_blocked(sys.fork_unseen);
}

void tine__process_reap(pid_t pid) {
    while (waitpid(pid, NULL, __WALL) == -1 && errno == EINTR)
        ;
}

void tine__process_tie(pid_t parent) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (getppid() != parent)
        _exit(1); /* the parent died before prctl took effect */
}

int tine__process_open_sigchld(void) {
    const struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigaction(SIGCHLD, &plain, NULL); /* where it is ignored (by a preload) it does not come */
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return tine__fd_signals(&set);
}

void tine__process_clear_sigchld(int fd) {
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) > 0)
        ;
}

/* --- title --- */

/* Find the memory that the kernel shows as the command line: fields 48 and 49 of
** /proc/self/stat. */
static bool find_arguments(char **start, size_t *len) {
    char text[2048];
    unsigned long from, to;
    const char *p = strrchr(tine__fd_text("/proc/self/stat", text, sizeof text),
                            ')'); /* the end of field 2, which may contain anything */
    for (int field = 2; p && field < 48; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, "%lu %lu", &from, &to) != 2 || to <= from)
        return false;
    *start = (char *)from;
    *len = to - from;
    return true;
}

/* By hand: printf touches so many pages that a worker would take 15 microseconds longer to
** start. */
static void compose(char *out, size_t size, const char *name, unsigned id) {
    char digits[12];
    char *p = digits + sizeof digits, *end = out + size - sizeof digits - 1;
    for (; id; id /= 10)
        *--p = (char)('0' + id % 10);
    if (p < digits + sizeof digits)
        *--p = '.';
    out = stpcpy(out, "tine:");
    while (*name && out < end)
        *out++ = *name++;
    out = mempcpy(out, p, (size_t)(digits + sizeof digits - p));
    *out = '\0';
}

void tine__process_title(const char *name, unsigned id) {
    static OWN char *start;
    static OWN size_t len; /* 0: not found yet */
    char title[64];
    compose(title, sizeof title, name, id);
    prctl(PR_SET_NAME, title, 0, 0, 0);
    if (len == 0 && !find_arguments(&start, &len))
        return;
    size_t n = strlen(title) < len ? strlen(title) : len - 1;
    memcpy(start, title, n);
    memset(start + n, 0, len - n);
}

/* --- memory --- */

#define LARGEST (32u << 10)
#define SMALL 1024u
#define MOST 200 /* of each size: not every allocator's memory lies below the program break */

/* Allocate pieces of this size until one is beyond `end`. Not by sys.malloc: running out of free
** pieces is what is wanted. The last piece is enlarged beyond the sizes that an allocator caches,
** so that freeing it makes it part of the end again; else one of each size would stay there, a page
** or so apart, and be reused first. */
static void use_up(size_t size, const void *end) {
    for (int i = 0; i < MOST; i++) {
        void *volatile p = malloc(size); /* volatile, or the compiler would remove the call */
        if ((uintptr_t)p >= (uintptr_t)end) {
            void *larger = realloc(p, 2 * SMALL); /* nor by sys.realloc */
            free(larger ? larger : p);
            return;
        }
    }
}

/* Give the free end of the heap back: fresh pages cost children less than copies of ours. */
static void trim(void) {
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

/* Have some memory at the end: else each child would extend the heap and write
** to the allocator's data. */
static void extend(void) {
    void *volatile p = malloc(2 * SMALL); /* as above */
    free(p);
}

void tine__process_use_up_heap(void) {
    trim();
    const void *end = sbrk(0);
    for (size_t size = LARGEST; size > SMALL; size /= 2)
        use_up(size, end);
    for (size_t size = SMALL; size >= 16; size -= 16)
        use_up(size, end);
    trim();
    extend();
}

/* --- the end --- */

static unsigned forks;

static void forked_child(void) {
    forks++;
}

unsigned tine__process_forks(void) {
    return forks;
}

static void on_any_exit(int status, void *arg) {
    (void)arg;
    tine__process_exit(status);
}

int tine__process_own_exit(void) {
    forks = 0; /* a task's child may have taken this root */
    /* handlers run in the reverse order of registration, so this one runs before the program's */
    if (on_exit(on_any_exit, NULL) != 0 || pthread_atfork(NULL, NULL, forked_child) != 0) {
        errno = ENOMEM;
        return TINE_ESYSTEM;
    }
    return 0;
}

_Noreturn void tine__process_exit(int code) {
    fflush(NULL);
    tine__output_flush();
    _exit(code);
}

/* --- memory --- */

uint64_t tine__process_memory(void) {
    return tine__proc_memory(getpid());
}
