#include "ipc/wakeup.h"

#include <sched.h>

#include "base/error.h"
#include "base/sys.h"

int tine__wakeup_open(struct wakeup *w) {
    *w = WAKEUP_CLOSED;
    int fd = tine__fd_event();
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

bool tine__wakeup_send(struct wakeup *w) {
    bool ours = true;
    atomic_fetch_add(&w->users, 1);
    int fd = atomic_load(&w->fd);
    /* The exchange is also the release of what the sender did before. */
    if (fd != -1 && !atomic_exchange(&w->sent, 1))
        ours = tine__fd_ring(fd);
    atomic_fetch_sub(&w->users, 1);
    return ours;
}

bool tine__wakeup_clear(struct wakeup *w) {
    int fd = atomic_load(&w->fd);
    bool ours = fd == -1 || tine__fd_clear(fd);
    /* An exchange and not a store: a sender that found the flag up has written nothing and relies
    ** on us to see its work. Reading the flag that it left makes its work visible. */
    atomic_exchange(&w->sent, 0);
    return ours;
}
