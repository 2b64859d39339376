#include "worker/process.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include "base/error.h"
#include "base/sys.h"
#include "worker/output.h"

/* --- descriptors --- */

static int compare(const void *a, const void *b) {
    int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

/* Close [first, last]. Without close_range (a sandbox may refuse it) one by one. */
static void close_between(int first, int last) {
    if (first > last || sys.close_range((unsigned)first, (unsigned)last, 0) == 0)
        return;
    long most = sysconf(_SC_OPEN_MAX);
    if (most > 0 && last >= most)
        last = (int)most - 1;
    for (int fd = first; fd <= last; fd++)
        close(fd);
}

void tine__process_keep(int *keep, size_t n) {
    int first = 3;
    qsort(keep, n, sizeof *keep, compare);
    for (size_t i = 0; i < n; i++) {
        if (keep[i] < first)
            continue;
        close_between(first, keep[i] - 1);
        first = keep[i] + 1;
    }
    close_between(first, INT_MAX);
}

int tine__process_null(void) {
    int null = sys.open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null == -1)
        return TINE_ESYSTEM;
    for (int fd = 0; fd < 3; fd++) {
        int done = fd == null ? sys.fcntl(fd, F_SETFD, 0) : sys.dup3(null, fd, 0);
        if (done == -1)
            return TINE_ESYSTEM;
    }
    if (null > 2)
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

static void nothing_blocked(void) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void tine__process_signals_server(void) {
    static const int of_the_group[] = {SIGINT,  SIGQUIT, SIGTERM, SIGHUP,
                                       SIGPIPE, SIGUSR1, SIGUSR2, SIGALRM};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    all_default();
    for (size_t i = 0; i < sizeof of_the_group / sizeof *of_the_group; i++)
        sigaction(of_the_group[i], &ignore, NULL);
    nothing_blocked();
}

void tine__process_signals_worker(void) {
    struct sigaction empty = {.sa_handler = empty_handler, .sa_flags = SA_RESTART};
    all_default();
    sigaction(SIGINT, &empty, NULL);
    nothing_blocked();
}

int tine__process_open_sigchld(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return sys.signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

void tine__process_clear_sigchld(int fd) {
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) > 0)
        ;
}

/* --- title --- */

/* Where the kernel takes the command line from: fields 48 and 49 of the process's stat. */
static bool find_arguments(char **start, size_t *len) {
    char text[2048];
    unsigned long from, to;
    int fd = sys.open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    tine__close(&fd);
    text[n > 0 ? n : 0] = '\0';
    const char *p = strrchr(text, ')'); /* the end of field 2, which may hold anything */
    for (int field = 2; p && field < 48; field++)
        p = strchr(p + 1, ' ');
    if (!p || sscanf(p, "%lu %lu", &from, &to) != 2 || to <= from)
        return false;
    *start = (char *)from;
    *len = to - from;
    return true;
}

void tine__process_title(const char *title) {
    static char *start;
    static size_t len; /* 0: not found yet */
    prctl(PR_SET_NAME, title, 0, 0, 0);
    if (len == 0 && !find_arguments(&start, &len))
        return;
    size_t n = strlen(title) < len ? strlen(title) : len - 1;
    memcpy(start, title, n);
    memset(start + n, 0, len - n);
}

/* --- the end --- */

static bool foreign;

static void forked_child(void) {
    foreign = true;
}

bool tine__process_is_foreign(void) {
    return foreign;
}

void tine__process_is_ours(void) {
    foreign = false;
}

static void on_any_exit(int status, void *arg) {
    (void)arg;
    tine__process_exit(status);
}

int tine__process_own_exit(void) {
    /* handlers run in the reverse order of their registration, so this one comes before the program's */
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
