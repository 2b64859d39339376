/* What users and the clock tell the scheduler. */
#include "sched/sched.h"

#include <assert.h>
#include <signal.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "msg/extra.h"
#include "sched/internal.h"

#define FIRST_WINDOW 64 /* before anything is known of how long tasks take */

/* --- memory --- */

static int make_tables(struct sched *s) {
    s->nrefs = s->nfree = s->o.slots + s->o.workers + 1;
    s->sent = sys.calloc(s->nrefs, sizeof *s->sent);
    s->free_refs = sys.calloc(s->nrefs, sizeof *s->free_refs);
    s->workers = sys.calloc(s->o.workers + 1, sizeof *s->workers);
    s->free_workers = sys.calloc(s->o.workers / 64 + 1, sizeof *s->free_workers);
    if (!s->sent || !s->free_refs || !s->workers || !s->free_workers)
        return TINE_ENOMEM;
    for (uint32_t i = 0; i < s->nrefs; i++)
        s->free_refs[i] = s->nrefs - 1 - i;
    for (unsigned w = 1; w <= s->o.workers; w++) {
        list_init(&s->workers[w].node);
        s->workers[w].timer.kind = TIMER_WORKER;
        s->free_workers[w / 64] |= (uint64_t)1 << w % 64;
    }
    return 0;
}

int tine__sched_init(struct sched *s, const struct sched_options *o) {
    memset(s, 0, sizeof *s);
    s->o = *o;
    policy_init(&s->policy);
    list_init(&s->wishes);
    list_init(&s->lost);
    list_init(&s->kills);
    list_init(&s->ended);
    s->next_id = 1;
    s->window = FIRST_WINDOW + 4ull * o->workers;
    s->retry.kind = TIMER_RETRY;
    s->end.kind = TIMER_END;
    int err = make_tables(s);
    if (err)
        tine__sched_free(s);
    return err;
}

void tine__sched_free(struct sched *s) {
    free(s->sent);
    free(s->free_refs);
    free(s->workers);
    free(s->free_workers);
    s->sent = NULL;
    s->free_refs = NULL;
    s->workers = NULL;
    s->free_workers = NULL;
}

/* --- tasks --- */

static int refusal(const struct sched *s) {
    if (s->life == LIFE_OPEN)
        return s->o.max_pending && s->open >= s->o.max_pending ? TINE_EAGAIN : 0;
    return why_is_broken(s->why) ? TINE_EBROKEN : TINE_ESHUTDOWN;
}

static void admit(struct sched *s, struct task *t) {
    list_init(&t->node);
    list_init(&t->ended);
    t->timer = (struct timer){.kind = TIMER_TASK};
    t->call.id = s->next_id;
    s->next_id += t->call.count;
    t->next = 0;
    t->upto = t->call.count;
    t->how = t->doom = ENDING_NONE;
    t->wish = 0;
    t->asked = t->cancelled = false;
    t->call.flags = t->set->timeout || t->set->cpu ? CALL_TIMED : 0;
    if (t->set->cpu)
        t->call.flags |= CALL_SPENDS;
    if (settings_need_extra(t->set))
        t->call.flags |= CALL_EXTRA;
}

int tine__sched_submit(struct sched *s, struct task *t) {
    int err = refusal(s);
    if (err)
        return err;
    admit(s, t);
    t->state = TASK_WAITING;
    s->open++;
    s->waiting++;
    policy_push(&s->policy, t);
    return 0;
}

void tine__sched_withdraw(struct sched *s, struct task *t) {
    assert(t->state == TASK_WAITING);
    list_remove(&t->node);
    s->waiting--;
    s->open--;
    t->state = TASK_NEW;
}

int tine__sched_submit_done(struct sched *s, struct task *t) {
    int err = refusal(s);
    if (err == TINE_EAGAIN)
        err = 0; /* it takes no room */
    if (err)
        return err;
    admit(s, t);
    t->next = t->upto;
    t->state = TASK_DONE;
    return 0;
}

void tine__sched_cancel(struct sched *s, struct task *t) {
    t->cancelled = true;
    if (t->state == TASK_WAITING)
        tine__sched_end(s, t, t->next, t->upto, ENDING_CANCELLED);
    else if (t->state == TASK_SENT && !t->doom)
        tine__sched_wish(s, t, ORDER_RECALL);
}

bool tine__sched_abort(struct sched *s, struct task *t, uint32_t k) {
    if (k < t->next || k >= t->upto || t->doom)
        return false;
    if (t->state == TASK_WAITING) {
        tine__sched_end(s, t, t->next, t->upto, ENDING_CANCELLED);
    } else {
        tine__sched_stop_task(s, t, ENDING_CANCELLED);
    }
    return true;
}

/* --- the pool --- */

static void cancel_all(struct sched *s) {
    while (!policy_empty(&s->policy))
        tine__sched_cancel(s, LIST_ITEM(s->policy.queue.next, struct task, node));
    for (uint32_t ref = 0; ref < s->nrefs; ref++)
        if (s->sent[ref])
            tine__sched_cancel(s, s->sent[ref]);
}

void tine__sched_shutdown(struct sched *s, bool cancel) {
    if (s->life == LIFE_OPEN)
        s->life = LIFE_CLOSING;
    if (cancel && s->life == LIFE_CLOSING)
        cancel_all(s);
}

void tine__sched_kill(struct sched *s, bool hard, uint64_t patience) {
    if (s->life == LIFE_STOPPING && hard)
        s->hard = true;
    if (s->life >= LIFE_STOPPING)
        return;
    tine__sched_stop(s, &(struct blame){.why = hard ? WHY_KILLED : WHY_TERMINATED}, hard);
    if (hard)
        return;
    tine__timer_set(&s->timers, &s->end, patience);
    for (unsigned w = 1; w <= s->o.workers; w++)
        if (s->workers[w].state != WORKER_NONE && s->workers[w].state != WORKER_DOOMED)
            tine__sched_signal(s, w, SIGTERM);
}

/* --- the clock --- */

/* A worker has been starting, or leaving, for too long. */
static void worker_due(struct sched *s, struct worker *w) {
    unsigned id = (unsigned)(w - s->workers);
    if (w->state == WORKER_STARTING)
        tine__sched_stop(
            s, &(struct blame){.why = WHY_SLOW_START, .worker = id, .pid = w->pid, .unborn = true},
            true);
    else if (w->state == WORKER_LEAVING)
        tine__sched_doom(s, id, DOOM_SLOW_EXIT);
}

static void task_due(struct sched *s, struct task *t) {
    if (t->asked)
        tine__sched_grace_over(s, t);
    else if (t->state == TASK_SENT && !t->doom && !t->wish)
        tine__sched_wish(s, t, ORDER_LOOK);
}

void tine__sched_tick(struct sched *s, uint64_t now) {
    struct timer *t;
    while ((t = tine__timer_due(&s->timers, now)) != NULL)
        switch (t->kind) {
        case TIMER_TASK:
            task_due(s, LIST_ITEM(t, struct task, timer));
            break;
        case TIMER_WORKER:
            worker_due(s, LIST_ITEM(t, struct worker, timer));
            break;
        case TIMER_RETRY:
            s->hold = false;
            break;
        default:
            s->hard = true; /* STOPPING, DRAINING: what is left ends now */
        }
}

#define WAKE_UPS SCHED_MILLISECOND /* some of them take so long */

void tine__sched_pace(struct sched *s, uint64_t now) {
    uint64_t past = now - s->paced;
    if (past < WAKE_UPS)
        return;
    /* twice what ends in that time, and two for each worker. Less only if more would have been there to
    ** end, and by steps: a burst after a rest is not to be held up. */
    uint64_t wanted = s->recent * 2 * WAKE_UPS / past + 2ull * s->o.workers + 2;
    bool busy = s->waiting > 0;
    if (wanted < s->window)
        wanted = busy && s->was_busy ? (s->window + wanted) / 2 : s->window;
    if (wanted > s->window)
        s->full = false; /* more may be handed over at once */
    s->window = wanted < s->nrefs ? wanted : s->nrefs;
    s->was_busy = busy;
    s->paced = now;
    s->recent = 0;
}
