#include "pool/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/yield.h"
#include "pool/internal.h"
#include "worker/root.h"

#define FEW 8

/* What a thread brings to its waits. One wait at a time: the hook runs Lua, but no wait. */
struct waiter {
    struct wait_entry *entries; /* [n], in the pools' lists */
    struct pollfd *fds;
    unsigned n;
    bool masked;
    sigset_t mask; /* to be restored */
    struct wait_entry few_entries[FEW];
    struct pollfd few_fds[FEW + 1];
};

static _Thread_local struct waiter self;
static _Thread_local int own_fd = -1;
static _Thread_local unsigned own_generation; /* of the process that made it (worker/root.h) */
static pthread_key_t own_fd_key;
static pthread_once_t own_fd_once = PTHREAD_ONCE_INIT;

/* --- news --- */

/* While spinning (`sure` false) a pool whose lock is held just now counts as one without news. */
static bool has_news(struct pool *p, bool sure) {
    if (tine__pool_has_done(p) || (tine__pool_ended(p) && !p->joined))
        return true;
    if (sure)
        pthread_mutex_lock(&p->lock);
    else if (pthread_mutex_trylock(&p->lock))
        return false;
    bool news = !p->gone && p->backend->ops->pending(p->backend);
    pthread_mutex_unlock(&p->lock);
    return news;
}

static bool any_news(struct pool *const *pools, unsigned n, bool sure) {
    for (unsigned i = 0; i < n; i++)
        if (has_news(pools[i], sure))
            return true;
    return false;
}

/* Has a pool more to do than its workers are just doing? */
static bool any_busy(struct pool *const *pools, unsigned n) {
    bool busy = false;
    for (unsigned i = 0; i < n && !busy; i++) {
        pthread_mutex_lock(&pools[i]->lock);
        busy = pools[i]->open_items > pools[i]->live;
        pthread_mutex_unlock(&pools[i]->lock);
    }
    return busy;
}

/* Yield the processor until there are news or the time is over. */
static bool spin(struct pool *const *pools, unsigned n, uint64_t deadline) {
    struct yield y;
    uint64_t longest = 0;
    for (unsigned i = 0; i < n; i++)
        if (pools[i]->spin > longest)
            longest = pools[i]->spin;
    for (bool more = tine__yield_begin(&y, longest); more;) {
        more = tine__yield(&y) && y.now < deadline;
        if (any_news(pools, n, false)) {
            tine__yield_news(&y, y.slow && any_busy(pools, n));
            return true;
        }
    }
    return false;
}

/* --- a descriptor of the thread's own, for waits in which another thread leads --- */

static void close_own_fd(void *fd) {
    int own = (int)(intptr_t)fd - 1;
    tine__close(&own);
}

static void make_key(void) {
    pthread_key_create(&own_fd_key, close_own_fd);
}

static int need_own_fd(void) {
    if (own_fd != -1 && own_generation == tine__root_generation())
        return 0;
    tine__close(&own_fd); /* the parent's, which it would take the wake-ups from */
    own_generation = tine__root_generation();
    own_fd = tine__fd_event();
    if (own_fd == -1)
        return TINE_ESYSTEM;
    pthread_once(&own_fd_once, make_key);
    pthread_setspecific(own_fd_key, (void *)(intptr_t)(own_fd + 1));
    return 0;
}

/* --- falling asleep --- */

static int make_room(unsigned n) {
    self.entries = self.few_entries;
    self.fds = self.few_fds;
    if (n <= FEW)
        return 0;
    self.entries = sys.calloc(n, sizeof *self.entries);
    self.fds = sys.calloc(n + 1, sizeof *self.fds);
    if (self.entries && self.fds)
        return 0;
    free(self.entries);
    free(self.fds);
    self.entries = NULL;
    self.fds = NULL;
    return TINE_ENOMEM;
}

static int enter(struct pool *p) {
    struct wait_entry *e = &self.entries[self.n];
    e->pool = p;
    e->fd = -1;
    pthread_mutex_lock(&p->lock);
    if (!p->joined)
        tine__pool_lost(
            p); /* or who waits would wait for ever: what follows looks for news once more */
    bool leads = list_empty(&p->waiters);
    if (!leads && need_own_fd()) {
        pthread_mutex_unlock(&p->lock);
        return TINE_ESYSTEM;
    }
    int fd = leads ? p->bells.waiter.fd : own_fd;
    e->fd = own_fd;
    list_push(&p->waiters, &e->node);
    if (leads)
        bell_arm(&p->bells.waiter, BELL_RESULT);
    pthread_mutex_unlock(&p->lock);
    self.fds[self.n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    return 0;
}

/* (lock held) One thread less waits. */
static void uncount(struct pool *p) {
    if (--p->waiting == 0 && p->state == POOL_CLOSING && !p->gone)
        tine__wakeup_send(&p->wakeup); /* from now on the manager takes in the results */
}

static void leave(struct wait_entry *e) {
    struct pool *p = e->pool;
    pthread_mutex_lock(&p->lock);
    bool led = p->waiters.next == &e->node;
    list_remove(&e->node);
    if (led && list_empty(&p->waiters)) {
        bell_disarm(&p->bells.waiter);
    } else if (led) { /* the next one leads: let it poll the bell */
        tine__fd_ring(LIST_ITEM(p->waiters.next, struct wait_entry, node)->fd);
    }
    uncount(p);
    pthread_mutex_unlock(&p->lock);
}

static void count_waiting(struct pool *const *pools, unsigned n, bool more) {
    for (unsigned i = 0; i < n; i++) {
        struct pool *p = pools[i];
        pthread_mutex_lock(&p->lock);
        if (more)
            p->waiting++;
        else
            uncount(p);
        pthread_mutex_unlock(&p->lock);
    }
}

static void wake_up(void) {
    while (self.n > 0)
        leave(&self.entries[--self.n]);
    if (self.entries != self.few_entries) {
        free(self.entries);
        free(self.fds);
    }
    self.entries = NULL;
    self.fds = NULL;
    if (self.masked) {
        self.masked = false;
        pthread_sigmask(SIG_SETMASK, &self.mask, NULL);
    }
}

static int poll_until(uint64_t deadline, const sigset_t *mask) {
    struct timespec left, *timeout = NULL;
    if (deadline != WAIT_FOREVER) {
        uint64_t now = tine__now();
        uint64_t ns = deadline > now ? deadline - now : 0;
        left = (struct timespec){(time_t)(ns / SECOND), (long)(ns % SECOND)};
        timeout = &left;
    }
    int n = ppoll(self.fds, self.n, timeout, mask);
    if (n == -1)
        return errno == EINTR ? TINE_EAGAIN : TINE_ESYSTEM;
    for (unsigned i = 0; i < self.n; i++)
        if (self.fds[i].revents)
            tine__bell_clear(self.fds[i].fd);
    return n == 0 ? TINE_ETIMEOUT : 0;
}

static int sleep_on(struct pool *const *pools, unsigned n, uint64_t deadline,
                    const struct wait_hook *hook) {
    int err = make_room(n);
    for (unsigned i = 0; i < n && !err; i++)
        err = enter(pools[i]);
    count_waiting(pools + self.n, n - self.n, false); /* for the others `leave` does it */
    bool ready = hook && hook->ready && hook->ready(hook->arg);
    bool listen = hook && hook->before_sleep;
    if (!err && !ready && !any_news(pools, n, true)) {
        if (listen) {
            sigset_t all;
            sigfillset(&all);
            pthread_sigmask(SIG_BLOCK, &all, &self.mask);
            self.masked = true;
        }
        err = listen && hook->before_sleep(hook->arg)
                  ? TINE_EAGAIN
                  : poll_until(deadline, listen ? &self.mask : NULL);
    }
    wake_up();
    return err;
}

int tine__wait(struct pool *const *pools, unsigned n, uint64_t deadline,
               const struct wait_hook *hook) {
    if (any_news(pools, n, false))
        return 0;
    if (tine__now() >= deadline)
        return TINE_ETIMEOUT;
    count_waiting(pools, n, true);
    if (!spin(pools, n, deadline))
        return sleep_on(pools, n, deadline, hook);
    count_waiting(pools, n, false);
    return 0;
}
