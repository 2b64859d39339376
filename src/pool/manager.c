/* The manager thread: does what must happen when no program thread waits.
**
** It sleeps in one poll call, on its wakeup and on the site's descriptors, until the scheduler's
** nearest timer. Workers ring its wakeup when they cannot go on without it (a result ring is full,
** the queue is nearly empty) and, only if some inbox wants to learn of every result at once, for
** each result. It knows no Lua and never waits for a worker.
*/
#include <errno.h>
#include <poll.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/thread.h"
#include "pool/internal.h"

/* How often the manager checks whether its descriptors are still its own (a program that replaced
** one may leave it silent for ever; threads that use one check it, too), and whether calls lie in
** the queue although workers sleep (threads that wait check that sooner). */
#define LOOK (5 * SECOND)

/* Must the owner learn of every result at once? */
static bool wants_all(const struct inbox *in) {
    return in->fd != -1 || (in->on_news && in->watched > 0);
}

/* Arm the bell for what the manager must wake up for. False: it has already happened, look
** again. */
static bool arm(struct pool *p) {
    bool all = p->s.life > LIFE_OPEN && p->waiting == 0;
    for (struct list *n = p->inboxes.next; n != &p->inboxes && !all; n = n->next)
        all = wants_all(LIST_ITEM(n, struct inbox, node));
    all |= p->needing > 0 || p->children > 0;
    return bell_arm(&p->bells.manager, all ? BELL_RESULT : BELL_PRESSURE) &&
           !p->site->ops->news(p->site, !all);
}

/* An inbox with news whose owner's callback must be called. */
static struct inbox *next_owner(struct pool *p) {
    for (struct list *n = p->inboxes.next; n != &p->inboxes; n = n->next) {
        struct inbox *in = LIST_ITEM(n, struct inbox, node);
        if (in->on_news && in->fd == -1 && inbox_has_news(in))
            return in;
    }
    return NULL;
}

/* Call back the owners whose news no waiting thread has taken. */
static void call_owners(struct pool *p) {
    struct inbox *in;
    while ((in = next_owner(p)) != NULL) {
        pthread_mutex_unlock(&p->lock);
        in->on_news(in);
        pthread_mutex_lock(&p->lock);
    }
}

/* Is one of the descriptors closed or replaced? */
static bool gone_wrong(const struct pollfd *fds, unsigned n) {
    int seen = 0;
    for (unsigned i = 0; i < n; i++)
        seen |= fds[i].revents;
    return seen & (POLLNVAL | POLLERR);
}

/* Sleep until something happens or until `when`. The lock is released only while sleeping. */
static void sleep_until(struct pool *p, uint64_t when) {
    struct pollfd fds[1 + SITE_FDS + SHOW_FDS] = {{.fd = p->wakeup.fd, .events = POLLIN}};
    unsigned nfds = p->site->ops->poll(p->site, fds + 1);
    unsigned nshow = tine__show_poll(p, fds + 1 + nfds);
    p->asleep = true;
    p->until = when;
    pthread_mutex_unlock(&p->lock);
    uint64_t now = tine__now();
    uint64_t ns = when < now ? 0 : when - now < LOOK ? when - now : LOOK;
    const struct timespec left = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
    int n = ppoll(fds, 1 + nfds + nshow, &left, NULL);
    if (n > 0 && fds[0].revents)
        tine__wakeup_clear(&p->wakeup);
    pthread_mutex_lock(&p->lock);
    p->asleep = false;
    if (n > 0)
        p->site->ops->polled(p->site, fds + 1, nfds);
    if (n > 0)
        tine__show_polled(p, fds + 1 + nfds, nshow);
    if (now - p->looked >= LOOK || gone_wrong(fds, nfds + 1)) {
        p->looked = now;
        p->site->ops->intact(p->site);
        tine__overdue(p, true);
    }
}

/* Call every owner back one last time: a thread that has just taken something may put it off, and
** nobody calls back later. */
static void call_owners_last(struct pool *p) {
    for (struct list *n = p->inboxes.next; n != &p->inboxes; n = n->next) {
        struct inbox *in = LIST_ITEM(n, struct inbox, node);
        if (in->on_news && in->fd == -1)
            atomic_store(&in->has_news, true);
    }
    call_owners(p);
}

static uint64_t earlier(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Give back unused heap memory if it is time to. Returns when something is due next. */
static uint64_t next_due(struct pool *p, uint64_t now) {
    uint64_t due = earlier(pool_due(p), tine__show_due(p));
    if (p->site->ops->due)
        due = earlier(due, p->site->ops->due(p->site));
    if (p->tidy_at && now >= p->tidy_at)
        p->tidy_at = tine__store_tidy(p->store, now);
    return p->tidy_at ? earlier(due, p->tidy_at) : due;
}

static void serve_lookers(struct pool *p) {
    if (!p->show.called && p->show.peer == -1 && p->show.until == 0)
        return;
    pthread_mutex_unlock(&p->lock);
    tine__show_serve(p);
    pthread_mutex_lock(&p->lock);
}

/* Do what is due. What has come in time counts: a worker that has said that it is ready is not late,
** though this process may have been stopped since then. */
static void tick(struct pool *p, uint64_t now) {
    if (pool_due(p) <= now)
        tine__take_in(p, false);
    if (pool_site_is_gone(p))
        return;
    tine__sched_tick(&p->s, now);
    if (p->site->ops->tick)
        p->site->ops->tick(p->site, now);
    if (p->uncounted && now >= p->count_at)
        tine__tracing_count(p, now);
}

static void *run_manager(void *arg) {
    struct pool *p = arg;
    pthread_mutex_lock(&p->lock);
    p->looked = tine__now(); /* the descriptors were just made */
    while (!pool_site_is_gone(p)) {
        uint64_t now = tine__now();
        tick(p, now);
        tine__take_in(p, false);
        serve_lookers(p); /* gives up the lock, so before the last look for news */
        call_owners(p);
        if (pool_site_is_gone(p))
            break;
        sleep_until(p, arm(p) ? next_due(p, now) : 0);
    }
    call_owners_last(p);
    if (p->trace)
        tine__tracing_count(p, tine__now());
    atomic_store_explicit(&p->ended, true, memory_order_release);
    tine__inboxes_end(p);
    pthread_mutex_unlock(&p->lock);
    tine__pool_unref(p);
    return NULL;
}

int tine__manager_start(struct pool *p) {
    tine__pool_ref(p);
    int err = tine__thread_start(&p->manager, run_manager, p);
    int error = errno;
    if (err)
        tine__pool_unref(p);
    errno = error;
    return err;
}
