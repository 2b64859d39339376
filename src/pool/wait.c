#include "pool/wait.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/sys.h"
#include "base/yield.h"
#include "ipc/bell.h"
#include "pool/internal.h"
#include "worker/root/root.h"

#define FEW 8
#define SHORT_SLEEP (10 * MILLISECOND) /* when not everything can be listened to */
#define PATIENCE (10 * MILLISECOND)    /* with workers that were woken and have not come */

/* One wait. The hook may run Lua, and that may wait: each has its own. */
struct waiter {
    struct wait_entry *entries; /* [n], in the pools' lists */
    struct pollfd *fds;
    unsigned n;
    bool overdue; /* calls lie in one of the pools although workers sleep */
    bool masked;
    sigset_t mask; /* to be restored */
    const sigset_t *outer;
    struct wait_entry few_entries[FEW];
    struct pollfd few_fds[FEW];
};

static _Thread_local int own_fd = -1;
static _Thread_local unsigned own_generation; /* of the process that made it (worker/root/root.h) */
static _Thread_local const sigset_t *program_mask; /* while this thread is in a hook */
static pthread_key_t own_fd_key;
static pthread_once_t own_fd_once = PTHREAD_ONCE_INIT;

/* --- news --- */

/* While spinning (`sure` false) a pool whose lock is held just now counts as one without news. */
static bool has_news(const struct inbox *in, bool sure) {
    struct pool *p = in->pool;
    if (inbox_has_news(in) || tine__pool_ended(p))
        return true;
    if (sure)
        pthread_mutex_lock(&p->lock);
    else if (pthread_mutex_trylock(&p->lock))
        return false;
    const struct site_ops *ops = p->site->ops;
    bool news = !pool_site_is_gone(p) &&
                (ops->news(p->site, false) || (ops->has_work && ops->has_work(p->site)));
    pthread_mutex_unlock(&p->lock);
    return news;
}

static bool any_news(struct inbox *const *inboxes, unsigned n, bool sure) {
    for (unsigned i = 0; i < n; i++)
        if (has_news(inboxes[i], sure))
            return true;
    return false;
}

/* Has a pool more to do than its workers are just doing? */
static bool any_busy(struct inbox *const *inboxes, unsigned n) {
    bool busy = false;
    for (unsigned i = 0; i < n && !busy; i++) {
        struct pool *p = inboxes[i]->pool;
        pthread_mutex_lock(&p->lock);
        busy = sched_runnable(&p->s) > p->s.live;
        pthread_mutex_unlock(&p->lock);
    }
    return busy;
}

/* For how long to wait without sleeping. */
static uint64_t longest_spin(struct inbox *const *inboxes, unsigned n) {
    uint64_t longest = 0;
    for (unsigned i = 0; i < n; i++) {
        const struct pool *p = inboxes[i]->pool;
        uint64_t moved = atomic_load_explicit(&p->moved, memory_order_relaxed);
        uint64_t span = yield_span(p->spin, moved);
        if (span > longest)
            longest = span;
    }
    return longest;
}

/* Yield the processor until there are news or the time is over. */
static bool spin(struct inbox *const *inboxes, unsigned n, uint64_t deadline) {
    struct yield y;
    for (bool more = tine__yield_begin(&y, longest_spin(inboxes, n)); more;) {
        more = tine__yield(&y) && y.now < deadline;
        if (any_news(inboxes, n, false)) {
            tine__yield_news(&y, y.slow && any_busy(inboxes, n));
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

static bool need_own_fd(void) {
    if (own_fd != -1 && own_generation == tine__root_generation())
        return true;
    tine__close(&own_fd); /* the parent's, which it would take the wake-ups from */
    own_generation = tine__root_generation();
    own_fd = tine__fd_event();
    if (own_fd == -1)
        return false;
    pthread_once(&own_fd_once, make_key);
    pthread_setspecific(own_fd_key, (void *)(intptr_t)(own_fd + 1));
    return true;
}

/* --- falling asleep --- */

/* Room for `n` entries; for fewer when there is no memory. */
static unsigned make_room(struct waiter *w, unsigned n) {
    if (n <= FEW)
        return n;
    struct wait_entry *entries = sys.calloc(n, sizeof *entries);
    struct pollfd *fds = sys.calloc(n, sizeof *fds);
    if (!entries || !fds) {
        free(entries);
        free(fds);
        return FEW;
    }
    w->entries = entries;
    w->fds = fds;
    return n;
}

/* False: no descriptor to be woken by. */
static bool enter(struct waiter *w, struct inbox *in) {
    struct wait_entry *e = &w->entries[w->n];
    struct pool *p = in->pool;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p) && !tine__fd_ours(p->bells.waiter.fd) &&
        !p->site->ops->intact(p->site))
        tine__take_in(p, true); /* or it would wait for ever; it looks for news once more */
    bool leads = list_empty(&p->waiters);
    if (!leads && !need_own_fd()) {
        pthread_mutex_unlock(&p->lock);
        return false;
    }
    *e = (struct wait_entry){.inbox = in, .fd = own_fd};
    list_push(&p->waiters, &e->node);
    if (leads)
        bell_arm(&p->bells.waiter, BELL_RESULT);
    w->overdue |= tine__overdue(p, false);
    int fd = leads ? p->bells.waiter.fd : own_fd;
    pthread_mutex_unlock(&p->lock);
    w->fds[w->n++] = (struct pollfd){.fd = fd, .events = POLLIN};
    return true;
}

/* The next one leads: let it poll the bell. */
static void wake_next(struct pool *p) {
    tine__fd_ring(LIST_ITEM(p->waiters.next, struct wait_entry, node)->fd);
}

static void leave(struct wait_entry *e) {
    struct pool *p = e->inbox->pool;
    pthread_mutex_lock(&p->lock);
    bool led = p->waiters.next == &e->node;
    list_remove(&e->node);
    if (led && list_empty(&p->waiters))
        bell_disarm(&p->bells.waiter);
    else if (led)
        wake_next(p);
    pthread_mutex_unlock(&p->lock);
}

static void count_waiting(struct inbox *const *inboxes, unsigned n, bool more) {
    for (unsigned i = 0; i < n; i++) {
        struct pool *p = inboxes[i]->pool;
        pthread_mutex_lock(&p->lock);
        p->waiting += more ? 1 : -1;
        if (p->waiting == 0 && p->s.life > LIFE_OPEN && !pool_site_is_gone(p))
            tine__wakeup_send(&p->wakeup); /* from now on the manager takes in the results */
        pthread_mutex_unlock(&p->lock);
    }
}

static void leave_all(struct waiter *w) {
    while (w->n > 0)
        leave(&w->entries[--w->n]);
    if (w->entries != w->few_entries) {
        free(w->entries);
        free(w->fds);
    }
}

static void unmask(const struct waiter *w) {
    if (!w->masked)
        return;
    program_mask = w->outer;
    pthread_sigmask(SIG_SETMASK, &w->mask, NULL);
}

static int poll_until(struct waiter *w, uint64_t deadline) {
    struct timespec left, *timeout = NULL;
    if (deadline != WAIT_FOREVER) {
        left = clock_left(deadline);
        timeout = &left;
    }
    int n = ppoll(w->fds, w->n, timeout, program_mask);
    if (n == -1)
        return errno == EINTR ? TINE_EAGAIN : 0;
    for (unsigned i = 0; i < w->n; i++)
        if (w->fds[i].revents)
            tine__bell_clear(w->fds[i].fd);
    return n == 0 ? TINE_ETIMEOUT : 0;
}

/* From here to poll all signals are blocked: what a handler has done is seen by the hook, and what comes
** later ends the poll. In a wait that the hook of an outer one makes they are blocked already; poll admits
** those of the program. */
static bool listen_to_signals(struct waiter *w, const struct wait_hook *hook) {
    sigset_t all;
    if (!hook || !hook->before_sleep)
        return true;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &w->mask);
    w->masked = true;
    w->outer = program_mask;
    if (!program_mask)
        program_mask = &w->mask;
    return !hook->before_sleep(hook->arg);
}

/* Lie down with all of them, as far as memory and descriptors allow; when to look again if not. */
static uint64_t enter_all(struct waiter *w, struct inbox *const *inboxes, unsigned n) {
    unsigned room = make_room(w, n);
    while (w->n < room && enter(w, inboxes[w->n]))
        ;
    if (w->n < n)
        return tine__now() + SHORT_SLEEP;
    return w->overdue ? tine__now() + PATIENCE : WAIT_FOREVER;
}

static void wake_others(struct inbox *const *inboxes, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        struct pool *p = inboxes[i]->pool;
        pthread_mutex_lock(&p->lock);
        tine__overdue(p, true);
        pthread_mutex_unlock(&p->lock);
    }
}

static int sleep_on(struct waiter *w, struct inbox *const *inboxes, unsigned n, uint64_t deadline,
                    const struct wait_hook *hook) {
    uint64_t until = enter_all(w, inboxes, n);
    if ((hook && hook->ready && hook->ready(hook->arg)) || any_news(inboxes, n, true))
        return 0;
    int err = poll_until(w, until < deadline ? until : deadline);
    if (err != TINE_ETIMEOUT || until >= deadline)
        return err;
    if (w->overdue)
        wake_others(inboxes, n);
    return 0;
}

bool tine__wait_briefly(struct inbox *const *inboxes, unsigned n, uint64_t deadline) {
    if (any_news(inboxes, n, false))
        return true;
    if (tine__now() >= deadline)
        return false;
    count_waiting(inboxes, n, true);
    bool news = spin(inboxes, n, deadline);
    count_waiting(inboxes, n, false);
    return news;
}

int tine__wait(struct inbox *const *inboxes, unsigned n, uint64_t deadline,
               const struct wait_hook *hook) {
    int cancelable, err = TINE_EAGAIN;
    uint64_t began = deadline == WAIT_FOREVER ? 0 : tine__now();
    if (!(hook && hook->spun) && tine__wait_briefly(inboxes, n, deadline))
        return 0;
    if (began >= deadline)
        return TINE_ETIMEOUT;
    struct waiter w = {.entries = w.few_entries, .fds = w.few_fds};
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancelable);
    /* The hook may wait, and end pools: we are not counted, in no list, and after it has said so touch nothing. */
    if (listen_to_signals(&w, hook)) {
        count_waiting(inboxes, n, true);
        err = sleep_on(&w, inboxes, n, deadline, hook);
        leave_all(&w);
        count_waiting(inboxes, n, false);
    }
    unmask(&w);
    pthread_setcancelstate(cancelable, NULL);
    return err;
}
