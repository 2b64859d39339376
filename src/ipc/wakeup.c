#include "ipc/wakeup.h"

#include <errno.h>
#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>

#include "base/error.h"
#include "base/sys.h"

int tine__wakeup_open(struct wakeup *w) {
    *w = WAKEUP_CLOSED;
    int fd = sys.eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (fd == -1)
        return TINE_ESYSTEM;
    atomic_store(&w->fd, fd);
    return 0;
}

/* Sender: count in, then read `fd`. Closer: store -1 in `fd`, then read the count. Both
** sequentially consistent, so that either the sender finds -1 or the closer finds the sender. */
void tine__wakeup_close(struct wakeup *w) {
    int fd = atomic_exchange(&w->fd, -1);
    while (atomic_load(&w->users) > 0)
        sched_yield();
    tine__close(&fd);
}

void tine__wakeup_send(struct wakeup *w) {
    static const uint64_t one = 1;
    int err = errno;
    atomic_fetch_add(&w->users, 1);
    int fd = atomic_load(&w->fd);
    /* The exchange is also the release of what the sender did before. A full counter (EAGAIN) is
    ** readable anyway. */
    if (fd != -1 && !atomic_exchange(&w->sent, 1))
        while (write(fd, &one, sizeof one) == -1 && errno == EINTR)
            ;
    atomic_fetch_sub(&w->users, 1);
    errno = err;
}

void tine__wakeup_clear(struct wakeup *w) {
    uint64_t count;
    int err = errno, fd = atomic_load(&w->fd);
    if (fd != -1)
        while (read(fd, &count, sizeof count) == -1 && errno == EINTR)
            ;
    /* An exchange and not a store: a sender that found the flag up has written nothing and relies
    ** on us to see its work, for which we must have read the flag that it left. */
    atomic_exchange(&w->sent, 0);
    errno = err;
}
