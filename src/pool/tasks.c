/* Looking at tasks, and ending them. */
#include <assert.h>
#include <signal.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "site/far/far.h"

void tine__pool_poll(struct pool *p) {
    if (tine__pool_is_forked(p) || tine__pool_ended(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p) && p->site->ops->news(p->site, false))
        tine__take_in(p, false);
    tine__work(p);
    pthread_mutex_unlock(&p->lock);
}

static bool is_taken(struct pool *p, const struct item *item) {
    return item->task.state == TASK_SENT && p->site->ops->taken(p->site, item->task.call.ref);
}

enum task_look tine__task_look(struct pool *p, struct item *item, uint32_t k) {
    if (outcome_settled(&item->outcomes[k]))
        return LOOK_SETTLED;
    if (tine__pool_is_forked(p))
        return LOOK_PENDING;
    enum task_look look = LOOK_PENDING;
    pthread_mutex_lock(&p->lock);
    tine__take_in(p, false);
    if (outcome_settled(&item->outcomes[k]))
        look = LOOK_SETTLED;
    else if (is_taken(p, item_leader(item)))
        look = LOOK_RUNNING;
    pthread_mutex_unlock(&p->lock);
    return look;
}

#define BRIEFLY (100 * MILLISECOND)

/* Is the state of the item's task known only to its host, which was asked? */
static bool is_unsure(struct pool *p, struct item *item) {
    const struct task *t = &item_leader(item)->task;
    return p->site->ops->unsure && !pool_site_is_gone(p) && t->state == TASK_SENT &&
           p->site->ops->unsure(p->site, t->call.ref);
}

/* Wait for the answer of the item's host, if it was asked, for `ns` at most. Another thread may
** take in the end of the item's leader meanwhile and free it. */
static void await_word(struct pool *p, struct item *item, uint64_t ns) {
    const uint64_t until = tine__now() + ns;
    const struct timespec at = {(time_t)(until / SECOND), (long)(until % SECOND)};
    int err = 0;
    p->unsure++;
    while (!err && is_unsure(p, item))
        err = pthread_cond_timedwait(&p->word, &p->lock, &at);
    p->unsure--;
}

bool tine__task_progress(struct pool *p, struct item *item, struct progress *out) {
    bool told = false;
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    tine__take_in(p, false);
    const struct item *leader = item_leader(item);
    bool asks = is_taken(p, leader) && (p->far || !item_told(leader));
    if (asks)
        told = p->site->ops->progress(p->site, leader->task.call.ref, leader->task.call.id, out);
    if (asks && !told)
        await_word(p, item, BRIEFLY); /* a far site only sends the question */
    const struct progress *said = told ? NULL : item_told(item_leader(item));
    if (said)
        memcpy(out, said, progress_size(said));
    pthread_mutex_unlock(&p->lock);
    return told || said;
}

/* Carry out what the scheduler was just told, and wake the threads concerned. */
static void carry_out(struct pool *p) {
    tine__drive(p);
    tine__wake_waiters(p, false);
}

static void end_item(struct pool *p, struct item *item, void (*end)(struct sched *, struct task *),
                     bool wait) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    tine__take_in(p, false);
    end(&p->s, &item_leader(item)->task);
    carry_out(p);
    if (wait)
        await_word(p, item, SECOND);
    pthread_mutex_unlock(&p->lock);
}

void tine__item_cancel(struct pool *p, struct item *item) {
    end_item(p, item, tine__sched_cancel, false);
}

void tine__item_expire(struct pool *p, struct item *item) {
    end_item(p, item, tine__sched_late, false);
}

void tine__item_kill(struct pool *p, struct item *item) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    tine__take_in(p, false);
    if (item->settings) { /* else the item has ended */
        item->settings->grace = 0;
        tine__sched_end_now(&p->s, &item->task);
        carry_out(p);
    }
    pthread_mutex_unlock(&p->lock);
}

bool tine__task_cancel(struct pool *p, struct item *item, uint32_t k) {
    if (tine__pool_is_forked(p))
        return false;
    const struct outcome *o = &item->outcomes[k];
    if (!outcome_settled(o) && item->task.call.count == 1)
        end_item(p, item, tine__sched_cancel, true);
    return outcome_settled(o) && o->state == OUTCOME_FAILED && o->code == TINE_ECANCELLED;
}

bool tine__task_abort(struct pool *p, struct item *item) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    tine__take_in(p, false);
    bool ended = tine__sched_abort(&p->s, &item_leader(item)->task);
    carry_out(p);
    if (ended)
        await_word(p, item, SECOND);
    ended = ended && (item_leader(item)->task.doom || outcome_settled(item->outcomes));
    pthread_mutex_unlock(&p->lock);
    return ended;
}

/* --- attempts --- */

/* Ask the site where the item runs. False: it does not run, or the site does not know. */
static bool look_at(struct pool *p, struct item *item, struct answer *a) {
    const struct order look = {.kind = ORDER_LOOK, .task = &item->task};
    const struct site_call call = {&item->task.call, NULL, NULL};
    *a = (struct answer){0};
    if (item->task.state != TASK_SENT || pool_site_is_gone(p))
        return false;
    p->site->ops->give(p->site, &look, &call, a);
    return a->where == AT_WORKER;
}

static uint64_t started_at(struct pool *p, struct item *item) {
    struct answer a;
    return look_at(p, item, &a) && a.since >= item->task.since ? a.since : 0;
}

unsigned tine__item_runner(struct pool *p, struct item *item, int *pid) {
    struct answer a;
    *pid = 0;
    if (tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    unsigned worker = look_at(p, item, &a) ? a.worker : 0;
    if (worker)
        *pid = p->s.workers[worker].pid;
    pthread_mutex_unlock(&p->lock);
    return worker;
}

void tine__task_times(struct pool *p, struct item *item, struct task_times *out,
                      struct attempts **attempts) {
    *out = (struct task_times){0};
    *attempts = NULL;
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    item = item_leader(item);
    *out = item_times(item);
    if (!out->ended)
        out->started = started_at(p, item);
    *attempts = tine__attempts_copy(item_attempts(item));
    pthread_mutex_unlock(&p->lock);
}

bool tine__item_question(struct pool *p, struct item *item, struct outcome *out, uint32_t *n) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool asking = item->asking;
    if (asking) {
        *n = item->task.attempts;
        const struct attempts *before = item_attempts(item);
        assert(before && before->n > 0);
        tine__outcome_share(out, &before->list[before->n - 1].error);
    }
    pthread_mutex_unlock(&p->lock);
    return asking;
}

bool tine__item_answer(struct pool *p, struct item *item, bool again) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool asking = item->asking;
    if (asking) {
        item->asking = false;
        if (again)
            tine__sched_again(&p->s, &item->task, tine__now());
        else
            tine__item_refuse(p, item);
        carry_out(p);
        tine__work(p);
    }
    pthread_mutex_unlock(&p->lock);
    return asking;
}

/* --- results as arguments --- */

void tine__item_give(struct pool *p, struct item *item, uint32_t position, struct call_buf *cb) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    tine__need_give(p, item, position, cb);
    carry_out(p);
    tine__work(p);
    pthread_mutex_unlock(&p->lock);
}

bool tine__item_give_error(struct pool *p, struct item *item, struct call_buf *cb) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool given = tine__need_give_error(p, item, cb);
    carry_out(p);
    pthread_mutex_unlock(&p->lock);
    return given;
}

void tine__item_fail(struct pool *p, struct item *item, int code, const char *text, size_t length) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    tine__needs_fail(p, item, code, text, length);
    carry_out(p);
    pthread_mutex_unlock(&p->lock);
}

bool tine__item_ungiven(struct pool *p, struct item *item) {
    if (tine__pool_is_forked(p))
        return false;
    bool waits = false;
    pthread_mutex_lock(&p->lock);
    for (uint32_t i = 0; item->needs && i < item->needs->n; i++)
        waits |= !item->needs->list[i].leader && !outcome_settled(&item->needs->list[i].got);
    if (waits) {
        tine__sched_cancel(&p->s, &item->task);
        carry_out(p);
    }
    pthread_mutex_unlock(&p->lock);
    return waits;
}

/* --- ending all tasks --- */

void tine__inbox_unfollow(struct inbox *in) {
    struct pool *p = in->pool;
    if (!p || tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    tine__followers_forsake(in);
    tine__drive(p);
    tine__followers_leave(in);
    tine__wake_waiters(p, false);
    pthread_mutex_unlock(&p->lock);
}

#define TERM_GRACE (5 * SECOND) /* after SIGTERM, before SIGKILL */

/* For reports on the pool when it has ended. */
static void remember_slots(struct pool *p) {
    unsigned slots = p->far ? tine__far_slots(p->site) : 0;
    if (slots > 0)
        p->remotes.slots = slots;
}

void tine__pool_shutdown(struct pool *p, bool cancel) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p)) {
        remember_slots(p);
        tine__sched_shutdown(&p->s, cancel);
        tine__events_shut(p);
        tine__inboxes_room(p); /* the pool will never have room: the owners need not wait for it */
        tine__take_in(p, false);
        tine__wake_waiters(p, true);
        tine__wakeup_send(&p->wakeup);
    }
    pthread_mutex_unlock(&p->lock);
}

void tine__pool_kill(struct pool *p, enum why why) {
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p)) {
        tine__take_in(p, false); /* results that are already there count */
        remember_slots(p);
        tine__sched_kill(&p->s, why, tine__now() + TERM_GRACE);
        carry_out(p);
        tine__wakeup_send(&p->wakeup);
    }
    pthread_mutex_unlock(&p->lock);
}
