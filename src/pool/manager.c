/* The manager thread: what must happen when nobody waits.
**
** It sleeps in one poll on its wakeup and the backend's descriptor, with the nearest run-time limit as
** time-out. Workers ring its wakeup when they cannot go on without it (ring full, queue low) and, only
** if somebody wants to hear of every result, at each of them. There is no Lua in here, and it never
** waits for a worker.
*/
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

#define RETRY (2 * MILLISECOND)
/* At least so often it looks whether it still has its descriptors: what was put in their place may never tell. */
#define LOOK (5 * SECOND)

void tine__pool_progress(struct pool *p) {
    if (p->state <= POOL_CLOSING && !p->gone) {
        tine__pool_refill(p);
        tine__pool_start_on_demand(p);
    }
    if (p->state == POOL_CLOSING && p->open_items == 0 && !p->shut) {
        p->shut = true;
        p->backend->ops->shut(p->backend);
    }
    bool over = p->state == POOL_BROKEN || (p->shut && p->present == 0) ||
                (p->state == POOL_KILLED && (p->kill_at == 0 || p->present == 0));
    if (over && !p->ending) {
        p->ending = true;
        p->backend->ops->end(p->backend);
    }
}

/* Send again what could not be sent. */
static void retry(struct pool *p) {
    if (!p->retry)
        return;
    p->retry = false;
    for (unsigned w = 1; w <= p->workers_max; w++)
        if (p->workers[w].unkilled) {
            p->workers[w].unkilled = p->backend->ops->kill(p->backend, w, SIGKILL) != 0;
            p->retry |= p->workers[w].unkilled;
        }
}

/* SIGTERM was not enough. */
static void end_stubborn(struct pool *p, uint64_t now) {
    if (p->state == POOL_KILLED && p->kill_at && now >= p->kill_at) {
        p->kill_at = 0;
        tine__pool_progress(p);
    }
}

static uint64_t earliest(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Everything that is due; when something will be due next. */
static uint64_t attend(struct pool *p) {
    uint64_t now = tine__now();
    retry(p);
    tine__pool_collect(p);
    end_stubborn(p, now);
    uint64_t next = earliest(tine__pool_check_limits(p, now), now + LOOK);
    if (p->state == POOL_KILLED && p->kill_at)
        next = earliest(next, p->kill_at);
    if (p->retry)
        next = earliest(next, now + RETRY);
    return next;
}

/* Say what we want to be woken for. False: it has happened meanwhile, look again. */
static bool arm(struct pool *p) {
    bool all =
        p->notify != -1 || p->watched_items > 0 || (p->state == POOL_CLOSING && p->waiting == 0);
    bell_arm(&p->bells.manager, all ? BELL_RESULT : BELL_PRESSURE);
    return !(all ? p->backend->ops->pending(p->backend) : p->backend->ops->pressed(p->backend));
}

/* Sleep until something happens or the time has come; true when the backend has something to say. */
static bool sleep_until(struct pool *p, int descriptor, uint64_t when) {
    struct pollfd fds[2] = {{.fd = p->wakeup.fd, .events = POLLIN},
                            {.fd = descriptor, .events = POLLIN}};
    uint64_t now = tine__now();
    uint64_t ns = when > now ? when - now : 0;
    const struct timespec left = {(time_t)(ns / SECOND), (long)(ns % SECOND)};
    int n = ppoll(fds, 2, &left, NULL);
    if (n > 0 && fds[0].revents)
        tine__wakeup_clear(&p->wakeup);
    return n > 0 && fds[1].revents;
}

/* Callbacks of the C library that no waiting thread has called. */
static void call_owner(struct pool *p) {
    while (p->on_done && p->notify == -1 && !list_empty(&p->done)) {
        pthread_mutex_unlock(&p->lock);
        p->on_done(p);
        pthread_mutex_lock(&p->lock);
    }
}

static void end_manager(struct pool *p) {
    pthread_mutex_lock(&p->lock);
    call_owner(p);
    atomic_store_explicit(&p->ended, true, memory_order_release);
    tine__pool_notify(p);
    pthread_mutex_unlock(&p->lock);
    tine__pool_unref(p);
}

static void *run_manager(void *arg) {
    struct pool *p = arg;
    struct backend_sink sink = {0};
    tine__pool_death_sink(p, &sink);
    pthread_mutex_lock(&p->lock);
    while (!p->gone) {
        uint64_t next = attend(p);
        call_owner(p);
        if (!arm(p))
            next = 0;
        int descriptor = p->backend->ops->descriptor(p->backend);
        pthread_mutex_unlock(&p->lock);
        bool speaks = sleep_until(p, descriptor, next);
        pthread_mutex_lock(&p->lock);
        if (!tine__pool_lost(p) && speaks)
            tine__pool_hear(p, &sink);
    }
    pthread_mutex_unlock(&p->lock);
    end_manager(p);
    return NULL;
}

int tine__manager_start(struct pool *p) {
    sigset_t all, old;
    pthread_attr_t attr;
    sigfillset(&all);
    if (pthread_attr_init(&attr))
        return TINE_ENOMEM;
    pthread_attr_setstacksize(&attr, 256 << 10);
    tine__pool_ref(p);
    /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = sys.thread_create(&p->manager, &attr, run_manager, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    if (!error)
        return 0;
    tine__pool_unref(p);
    errno = error;
    return TINE_ESYSTEM;
}
