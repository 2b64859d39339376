#include "base/quiet.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

struct quiet {
    sigset_t both, before, pending;
};

static void begin(struct quiet *q) {
    sigemptyset(&q->both);
    sigaddset(&q->both, SIGPIPE);
    sigaddset(&q->both, SIGXFSZ);
    sigpending(&q->pending);
    pthread_sigmask(SIG_BLOCK, &q->both, &q->before);
}

/* Remove the signal that came with the error, unless one was pending before. */
static void take_back(const struct quiet *q, int signal) {
    const struct timespec now = {0, 0};
    sigset_t only;
    if (sigismember(&q->pending, signal))
        return;
    sigemptyset(&only);
    sigaddset(&only, signal);
    while (sigtimedwait(&only, NULL, &now) == -1 && errno == EINTR)
        ;
}

static ssize_t end(const struct quiet *q, ssize_t done) {
    int saved = errno;
    if (done == -1 && (saved == EPIPE || saved == EFBIG))
        take_back(q, saved == EPIPE ? SIGPIPE : SIGXFSZ);
    pthread_sigmask(SIG_SETMASK, &q->before, NULL);
    errno = saved;
    return done;
}

ssize_t tine__quiet_write(int fd, const void *p, size_t n) {
    struct quiet q;
    begin(&q);
    return end(&q, write(fd, p, n));
}

ssize_t tine__quiet_pwrite(int fd, const void *p, size_t n, off_t at) {
    struct quiet q;
    begin(&q);
    return end(&q, pwrite(fd, p, n, at));
}
