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
#define SHORT_SLEEP (10 * MILLISECOND) /* without memory or descriptors to listen to all pools */
#define PATIENCE (10 * MILLISECOND)    /* with workers that were woken but take up no call */

/* State of one wait. The hook may run Lua, which may wait: each wait has its own. */
struct waiter {
    struct wait_entry *entries; /* [n], in the pools' lists */
    struct pollfd *fds;
    unsigned n;
    bool overdue; /* calls lie in a pool's queue although workers sleep */
    bool masked;
    sigset_t mask; /* of the thread, to be restored */
    const sigset_t *outer;
    struct wait_entry few_entries[FEW];
    struct pollfd few_fds[FEW];
};

static _Thread_local int own_fd = -1;
/* Of the process that made own_fd (worker/root/root.h). */
static _Thread_local unsigned own_generation;
/* While this thread is in a hook: the program's signal mask. */
static _Thread_local const sigset_t *program_mask;
static pthread_key_t own_fd_key;
static pthread_once_t own_fd_once = PTHREAD_ONCE_INIT;

/* --- news --- */

/* With `sure` false (spinning), a pool whose lock is taken counts as one without news. */
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

/* Does a pool have more runnable tasks than live workers? */
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

/* How long to spin. */
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

/* Yield the processor until there is news or the time is over. */
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

/* --- a descriptor for each thread, for waits in which another thread is the leader --- */

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
    tine__close(&own_fd); /* the parent process's: reading from it would steal its wake-ups */
    own_generation = tine__root_generation();
    own_fd = tine__fd_event();
    if (own_fd == -1)
        return false;
    pthread_once(&own_fd_once, make_key);
    pthread_setspecific(own_fd_key, (void *)(intptr_t)(own_fd + 1));
    return true;
}

/* --- falling asleep --- */

/* Make room for `n` entries, or for fewer if there is no memory. Returns the number. */
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

/* Enter the pool's list of waiters. False: there is no descriptor to be woken by, or the program
** has closed it, so that it would seem to be readable for ever. */
static bool enter(struct waiter *w, struct inbox *in) {
    struct wait_entry *e = &w->entries[w->n];
    struct pool *p = in->pool;
    pthread_mutex_lock(&p->lock);
    bool ours = tine__fd_ours(p->bells.waiter.fd);
    if (!ours && !pool_site_is_gone(p) && !p->site->ops->intact(p->site))
        tine__take_in(p, true); /* else it would wait for ever; news is checked again afterwards */
    bool leads = list_empty(&p->waiters);
    if (leads ? !ours : !need_own_fd()) {
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

/* Wake the next waiter: it becomes the leader and polls the bell. */
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
            tine__wakeup_send(&p->wakeup); /* from now on the manager takes in results */
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

/* Blocks all signals until ppoll: the hook sees what a handler has done before, and a signal that
** comes later ends ppoll, which admits the program's signals. In a wait that was started by the
** hook of an outer wait, signals are blocked already. */
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

/* Enter all pools, as far as memory and descriptors suffice. Returns when to look again if they do
** not, or if calls are overdue. */
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
    /* The hook may wait itself and end pools. So it is called before this thread is counted or in
    ** any list, and if it ends the wait no pool is touched any more. */
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
