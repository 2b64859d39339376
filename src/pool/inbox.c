#include "pool/inbox.h"

#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "worker/root/root.h"

void tine__inbox_init(struct inbox *in) {
    in->pool = NULL;
    in->open = in->watched = 0;
    in->fd = -1;
    in->fresh = in->urgent = in->refused = in->held = false;
    list_init(&in->node);
    list_init(&in->news);
    list_init(&in->exits);
    list_init(&in->faults);
    list_init(&in->followers);
    atomic_store(&in->has_news, false);
    atomic_store(&in->has_exits, false);
    atomic_store(&in->has_faults, false);
}

void tine__inbox_open(struct inbox *in, struct pool *p) {
    tine__inbox_init(in);
    in->pool = tine__pool_ref(p);
    pthread_mutex_lock(&p->lock);
    list_push(&p->inboxes, &in->node);
    pthread_mutex_unlock(&p->lock);
}

void tine__inbox_close(struct inbox *in) {
    struct pool *p = in->pool;
    if (!p)
        return;
    in->pool = NULL;
    if (!tine__pool_is_forked(p)) {
        pthread_mutex_lock(&p->lock);
        list_remove(&in->node);
        tine__exits_forget(in);
        tine__faults_forget(p, in);
        pthread_mutex_unlock(&p->lock);
    }
    tine__inbox_close_fd(in);
    tine__pool_unref(p);
}

/* --- news --- */

HOT void tine__inbox_post(struct inbox *in, struct item *item) {
    inbox_freshen(in);
    if (item->listed)
        return;
    item->listed = true;
    list_push(&in->news, &item->news);
}

void tine__inboxes_room(struct pool *p) {
    p->refused = false;
    for (struct list *n = p->inboxes.next; n != &p->inboxes; n = n->next) {
        struct inbox *in = LIST_ITEM(n, struct inbox, node);
        if (in->refused) {
            inbox_stir(in); /* the owner may have no item in this inbox */
            inbox_freshen(in);
        }
        in->refused = false;
    }
}

void tine__inbox_remind(struct inbox *in) {
    struct pool *p = in->pool;
    if (!p || tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    inbox_freshen(in);
    in->urgent = true;
    tine__wake_waiters(p, false);
    pthread_mutex_unlock(&p->lock);
}

/* Make the descriptor, if there is one, readable or not. The pool's lock is held. */
static void set_fd(const struct inbox *in) {
    if (in->fd == -1)
        return;
    if (inbox_has_news(in) || in->held || tine__pool_ended(in->pool))
        tine__fd_ring(in->fd);
    else
        tine__fd_clear(in->fd);
}

void tine__inbox_hold(struct inbox *in, bool held) {
    struct pool *p = in->pool;
    if (!p || tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    in->held = held;
    set_fd(in);
    pthread_mutex_unlock(&p->lock);
}

static struct item *take_first(struct inbox *in) {
    struct item *item = LIST_ITEM(in->news.next, struct item, news);
    list_remove(&item->news);
    const struct item *next = LIST_ITEM(in->news.next, struct item, news);
    __builtin_prefetch(next, 1);
    __builtin_prefetch(&next->task);
    item->listed = false;
    item->released = item->task.state == TASK_DONE;
    item->asked = item->asking && !item->released;
    item->emitted = !item->released && item_events(item);
    in->open -= item->released;
    return item;
}

HOT unsigned tine__inbox_take(struct inbox *in, struct item **out, unsigned max) {
    struct pool *p = in->pool;
    unsigned n = 0;
    if (!p || !inbox_has_news(in) || tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    while (n < max && !list_empty(&in->news))
        out[n++] = take_first(in);
    if (list_empty(&in->news)) {
        atomic_store_explicit(&in->has_news, false, memory_order_relaxed);
        set_fd(in);
    }
    pthread_mutex_unlock(&p->lock);
    return n;
}

/* --- waking --- */

void tine__wake_waiters(struct pool *p, bool all) {
    if (!p->fresh && !all)
        return;
    p->fresh = false;
    for (struct list *n = p->waiters.next; n != &p->waiters; n = n->next) {
        struct wait_entry *e = LIST_ITEM(n, struct wait_entry, node);
        if (!all && !e->inbox->fresh)
            continue;
        /* Ring the leader's bell even if it is not armed: a worker that disarmed it may have died
        ** before ringing. */
        tine__fd_ring(n == p->waiters.next ? p->bells.waiter.fd : e->fd);
    }
    for (struct list *n = p->inboxes.next; n != &p->inboxes; n = n->next) {
        struct inbox *in = LIST_ITEM(n, struct inbox, node);
        if (in->fd != -1 && (in->fresh || all) && inbox_has_news(in))
            tine__fd_ring(in->fd);
        if (in->urgent && p->asleep)
            tine__wakeup_send(&p->wakeup);
        in->fresh = in->urgent = false;
    }
}

void tine__inboxes_end(struct pool *p) {
    for (struct list *n = p->inboxes.next; n != &p->inboxes; n = n->next) {
        struct inbox *in = LIST_ITEM(n, struct inbox, node);
        inbox_stir(in);
        if (in->fd != -1)
            tine__fd_ring(in->fd);
    }
    tine__wake_waiters(p, true);
}

/* --- the descriptor --- */

/* Called in a forked child of the program. */
static void close_in_child(void *inbox) {
    tine__close(&((struct inbox *)inbox)->fd);
}

void tine__inbox_close_fd(struct inbox *in) {
    tine__root_unwatch(in->watch);
    in->watch = NULL;
    tine__close(&in->fd);
}

/* The pool's lock is held. */
static int open_fd(struct inbox *in) {
    struct pool *p = in->pool;
    in->fd = tine__fd_event();
    if (in->fd == -1)
        return TINE_ESYSTEM;
    set_fd(in);
    tine__wakeup_send(&p->wakeup); /* from now on the manager must take in every result */
    return in->fd;
}

int tine__inbox_fileno(struct inbox *in) {
    struct pool *p = in->pool;
    if (!p)
        return TINE_ESHUTDOWN;
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    /* Has a lock of its own, so not under the pool's. */
    struct root_watch *watch = tine__root_watch(close_in_child, in);
    if (!watch)
        return TINE_ENOMEM;
    pthread_mutex_lock(&p->lock);
    int fd = in->fd != -1 ? in->fd : p->joined ? TINE_ESHUTDOWN : open_fd(in);
    if (fd >= 0 && !in->watch) {
        in->watch = watch;
        watch = NULL;
    }
    pthread_mutex_unlock(&p->lock);
    tine__root_unwatch(watch);
    return fd;
}
