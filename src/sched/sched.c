/* What users and the clock tell the scheduler. */
#include "sched/sched.h"

#include <assert.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "msg/extra.h"
#include "sched/internal.h"

#define FIRST_WINDOW 64 /* until it is known how long tasks take */

/* --- memory --- */

static int make_tables(struct sched *s) {
    s->nrefs = s->nfree = s->o.slots + s->o.workers + 1;
    s->sent = sys.calloc(s->nrefs, sizeof *s->sent);
    s->free_refs = sys.calloc(s->nrefs, sizeof *s->free_refs);
    s->workers = sys.malloc((s->o.most + 1) * sizeof *s->workers);
    s->free_workers = sys.calloc(s->o.most / 64 + 1, sizeof *s->free_workers);
    if (!s->sent || !s->free_refs || !s->workers || !s->free_workers)
        return TINE_ENOMEM;
    tine__sched_know(s, 1);
    for (uint32_t i = 0; i < s->nrefs; i++)
        s->free_refs[i] = s->nrefs - 1 - i;
    unsigned last = s->o.most / 64;
    memset(s->free_workers, 0xff, last * sizeof *s->free_workers);
    s->free_workers[last] = UINT64_MAX >> (63 - s->o.most % 64);
    s->free_workers[0] &= ~(uint64_t)1; /* there is no worker 0 */
    return 0;
}

int tine__sched_init(struct sched *s, const struct sched_options *o) {
    memset(s, 0, sizeof *s);
    s->o = *o;
    tine__timers_init(&s->timers);
    list_init(&s->handed);
    list_init(&s->wishes);
    list_init(&s->held);
    s->random = o->seed | 1;
    list_init(&s->on_top);
    list_init(&s->lost);
    list_init(&s->kills);
    list_init(&s->dismissals);
    list_init(&s->exits);
    list_init(&s->errands);
    list_init(&s->new_errands);
    list_init(&s->done_errands);
    list_init(&s->ended);
    s->next_id = 1;
    s->label = UINT64_MAX; /* the first one given begins anew */
    s->window = s->narrow = o->far ? o->slots : FIRST_WINDOW + 4ull * o->workers;
    s->retry.kind = TIMER_RETRY;
    s->end.kind = TIMER_END;
    int err = tine__policy_init(&s->policy, o->ageing);
    if (!err)
        err = make_tables(s);
    if (err)
        tine__sched_free(s);
    return err;
}

void tine__sched_free(struct sched *s) {
    tine__policy_free(&s->policy);
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

/* Is there no room for a call of so many bytes? */
static bool is_too_much(const struct sched *s, uint64_t bytes) {
    uint64_t open = s->open - s->nested;
    if (s->o.max_pending && open >= s->o.max_pending)
        return true;
    return s->o.max_bytes && open > 0 && s->bytes + bytes > s->o.max_bytes;
}

static int refusal(const struct sched *s, const struct task *t) {
    if (t->nested && s->life <= LIFE_CLOSING)
        return 0; /* its parent runs, and may wait for it */
    if (s->life == LIFE_OPEN)
        return is_too_much(s, t->call.length) ? TINE_EAGAIN : 0;
    return why_code(s->why);
}

/* What the worker must know before it reads the bytes of the call. */
static uint64_t flags_of(const struct task *t) {
    const struct settings *set = t->set;
    uint64_t own = (t->mute ? CALL_MUTE : 0) | (t->far ? CALL_FAR | CALL_EXTRA : 0) |
                   (uint64_t)t->depth << CALL_DEPTH;
    return set->plain
               ? own
               : own | (set->timeout || set->cpu ? CALL_TIMED : 0) | (set->cpu ? CALL_SPENDS : 0) |
                     (set->retry.budget[RETRY_ERROR] ? CALL_AGAIN : 0) |
                     (settings_need_extra(set) ? CALL_EXTRA : 0);
}

static void admit(struct sched *s, struct task *t, uint64_t now) {
    s->policy.now = now;
    assert(task_is_idle(t));
    memset(&t->how, 0, offsetof(struct task, upto) - offsetof(struct task, how));
    t->upto = t->call.count;
    t->call.id = s->next_id;
    s->next_id += t->call.count;
    t->since = t->ready = now;
    t->deadline = t->set->deadline ? clock_after(now, t->set->deadline - 1) : TIMER_NEVER;
    t->call.flags = flags_of(t);
    if (!t->set->plain)
        memset(t->failed, 0, sizeof t->failed);
}

static inline int enter(struct sched *s, struct task *t, uint64_t now) {
    int err = refusal(s, t);
    if (!err)
        err = tine__policy_enter(&s->policy, t);
    if (err)
        return err;
    admit(s, t, now);
    s->open++;
    s->nested += t->nested;
    s->bytes += t->bytes = t->nested ? 0 : t->call.length;
    return 0;
}

int tine__sched_submit_held(struct sched *s, struct task *t, uint64_t now) {
    int err = enter(s, t, now);
    if (!err)
        tine__sched_hold(s, t);
    return err;
}

HOT int tine__sched_submit(struct sched *s, struct task *t, uint64_t now) {
    int err = enter(s, t, now);
    if (err)
        return err;
    t->state = TASK_WAITING;
    s->waiting++;
    if (t->deadline != TIMER_NEVER)
        sched_set_timer(s, t, t->deadline);
    if (tine__policy_push(&s->policy, t) && s->policy.nlines > 1)
        tine__sched_overtake(s, false);
    return 0;
}

void tine__sched_withdraw(struct sched *s, struct task *t) {
    assert(t->state == TASK_WAITING || t->state == TASK_HELD);
    tine__sched_leave(s, t);
    tine__policy_leave(&s->policy, t);
    sched_clear_timer(s, t);
    sched_close(s, t);
    t->state = TASK_NEW;
}

int tine__sched_submit_done(struct sched *s, struct task *t) {
    int err = refusal(s, t);
    if (err == TINE_EAGAIN)
        err = 0; /* it takes no room */
    if (err)
        return err;
    admit(s, t, s->policy.now);
    t->next = t->upto;
    t->state = TASK_DONE;
    return 0;
}

/* The tasks of the call that have not begun never run, and end by `how`. */
static void give_up(struct sched *s, struct task *t, enum ending how) {
    if (!t->unrun)
        t->unrun = (uint8_t)how;
    if (t->state == TASK_WAITING || t->state == TASK_HELD)
        tine__sched_end(s, t, t->next, t->upto, how);
    else if (t->state == TASK_SENT && !t->doom)
        tine__sched_wish(s, t, ORDER_RECALL);
}

void tine__sched_late(struct sched *s, struct task *t) {
    t->deadline = TIMER_NEVER;
    t->late = true;
    give_up(s, t, ENDING_LATE);
}

void tine__sched_cancel(struct sched *s, struct task *t) {
    give_up(s, t, ENDING_CANCELLED);
}

void tine__sched_end_now(struct sched *s, struct task *t) {
    if (t->asked)
        tine__sched_grace_over(s, t);
    else if (t->call.count == 1)
        tine__sched_abort(s, t);
    else
        tine__sched_late(s, t);
}

bool tine__sched_abort(struct sched *s, struct task *t) {
    assert(t->call.count == 1);
    if (!task_is_open(t) || t->doom)
        return false;
    if (t->state == TASK_WAITING || t->state == TASK_HELD) {
        tine__sched_end(s, t, t->next, t->upto, ENDING_CANCELLED);
    } else {
        t->unrun = ENDING_CANCELLED; /* no other attempt, should the order come too late */
        tine__sched_stop_task(s, t, ENDING_CANCELLED);
    }
    return true;
}

/* --- the pool --- */

/* End all tasks that have not begun, here and at the site, by `how`; but not those that are HELD or
** nested. */
static void give_up_all(struct sched *s, enum ending how) {
    struct list spared;
    struct task *t;
    list_init(&spared);
    while ((t = tine__policy_first(&s->policy)) != NULL) {
        if (t->nested) {
            tine__policy_remove(&s->policy, t);
            list_push_front(&spared, &t->node); /* each goes back before those behind it */
        } else {
            give_up(s, t, how);
        }
    }
    for (uint32_t ref = 0; ref < s->nrefs; ref++)
        if (s->sent[ref] && !s->sent[ref]->nested)
            give_up(s, s->sent[ref], how);
    for (struct list *n; (n = list_pop(&spared)) != NULL;)
        tine__policy_push_back(&s->policy, LIST_ITEM(n, struct task, node), true);
}

/* HELD tasks stay: there may be a host when they are let go. The site does not report room for what
** it refused before: it is asked anew with the next task. */
void tine__sched_desert(struct sched *s) {
    give_up_all(s, ENDING_LOST);
    s->full = false;
}

/* Nested tasks stay: they belong to tasks that run, which are to end as if nothing had happened. */
static void cancel_all(struct sched *s) {
    give_up_all(s, ENDING_CANCELLED);
    for (struct list *n = s->held.next, *next; n != &s->held; n = next) {
        struct task *t = LIST_ITEM(n, struct task, node);
        next = n->next;
        if (!t->nested)
            tine__sched_cancel(s, t);
    }
}

void tine__sched_shutdown(struct sched *s, bool cancel) {
    if (s->life == LIFE_OPEN)
        s->life = LIFE_CLOSING;
    if (cancel && s->life == LIFE_CLOSING)
        cancel_all(s);
}

void tine__sched_kill(struct sched *s, enum why why, uint64_t patience) {
    bool hard = why != WHY_TERMINATED;
    if (s->life == LIFE_STOPPING && hard)
        s->hard = true;
    if (s->life >= LIFE_STOPPING)
        return;
    tine__sched_stop(s, &(struct blame){.why = why}, hard);
    if (hard)
        return;
    tine__timer_set(&s->timers, &s->end, patience);
    for (unsigned w = 1; w <= s->top; w++)
        if (s->workers[w].state != WORKER_NONE && s->workers[w].state != WORKER_DOOMED)
            tine__sched_signal(s, w, SIGTERM);
}

/* --- attempts --- */

/* A HELD task waits from now on. */
static void let_go(struct sched *s, struct task *t) {
    tine__sched_leave(s, t);
    t->call.flags = flags_of(t) | (uint64_t)t->attempts << CALL_TRIED;
    t->ready = s->policy.now;
    tine__sched_wait(s, t, false);
    tine__sched_overtake(s, true);
}

/* From -1 to 1: xorshift (Marsaglia, 2003). */
static double noise(struct sched *s) {
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (double)(s->random >> 11) * 0x1p-52 - 1;
}

/* The pause before the next attempt of the task, in ns. */
static double pause_before(struct sched *s, const struct task *t) {
    const struct retry *r = &t->set->retry;
    double ns = (double)r->delay;
    for (uint32_t k = 1; k < t->attempts && ns > 0 && ns < (double)r->most && r->factor != 1; k++)
        ns *= r->factor;
    if (!(ns < (double)r->most))
        ns = (double)r->most;
    return ns * (1 + r->jitter * noise(s));
}

void tine__sched_again(struct sched *s, struct task *t, uint64_t now) {
    assert(t->state == TASK_HELD);
    s->policy.now = now;
    double ns = t->attempts ? pause_before(s, t) : 0;
    if (ns < 1 || s->o.at_once) {
        let_go(s, t);
    } else {
        t->wake = ns < 9e18 ? clock_after(now, (uint64_t)ns) : TIMER_NEVER;
        tine__sched_watch(s, t, t->wake);
    }
}

void tine__sched_give_up(struct sched *s, struct task *t) {
    assert(t->state == TASK_HELD);
    t->next = t->upto;
    tine__sched_done(s, t);
}

/* --- the clock --- */

/* A worker has been starting, or leaving, for too long. */
static void worker_due(struct sched *s, struct worker *w) {
    unsigned id = (unsigned)(w - s->workers);
    if (w->state == WORKER_STARTING && s->life < LIFE_DRAINING)
        tine__sched_stop(
            s, &(struct blame){.why = WHY_SLOW_START, .worker = id, .pid = w->pid, .unborn = true},
            true);
    else if (w->state == WORKER_LEAVING && !w->left)
        tine__sched_look_whether_left(s, id);
    else if (w->state == WORKER_STARTING || w->state == WORKER_LEAVING)
        tine__sched_doom(s, id, DOOM_SLOW_EXIT);
}

/* The timer of a task is due: for its grace, to ask it again, for its deadline, for its next
** attempt, or as it may have run too long. */
static void task_due(struct sched *s, struct task *t) {
    if (t->asked) {
        tine__sched_grace_over(s, t);
    } else if (t->later) {
        t->later = false;
        if (!t->wish)
            tine__sched_stop_task(s, t, t->doom);
    } else if (t->deadline <= s->policy.now) {
        tine__sched_late(s, t);
    } else if (t->state == TASK_HELD && t->wake && t->wake <= s->policy.now) {
        let_go(s, t);
    } else if (t->state == TASK_SENT && !t->doom && !t->wish) {
        tine__sched_watch(s, t, TIMER_NEVER);
        tine__sched_wish(s, t, ORDER_LOOK);
    }
}

void tine__sched_tick(struct sched *s, uint64_t now) {
    struct timer *t;
    s->policy.now = now;
    if (tine__policy_tick(&s->policy, now) || sched_order_due(s) <= now)
        sched_rerank(s);
    while ((t = tine__timer_due(&s->timers, now)) != NULL)
        switch (t->kind) {
        case TIMER_TASK:
            task_due(s, LIST_ITEM(t, struct task, timer));
            break;
        case TIMER_WORKER:
            worker_due(s, LIST_ITEM(t, struct worker, timer));
            break;
        case TIMER_AGE:
            tine__sched_grew_old(s, (unsigned)(LIST_ITEM(t, struct worker, age) - s->workers));
            break;
        case TIMER_RETRY:
            s->hold = false;
            break;
        default:
            s->hard = true; /* STOPPING, DRAINING: workers that are left end now */
        }
}

#define WAKE_UPS SCHED_MILLISECOND /* a few wake-ups of a worker take so long */

void tine__sched_pace(struct sched *s, uint64_t now) {
    uint64_t past = now - s->paced;
    if (past < WAKE_UPS || s->o.far)
        return;
    /* Twice the number of results in that time, and the least window. The window shrinks only if
    ** tasks were waiting all the time, and by steps: a burst after a rest must not be held up. */
    uint64_t wanted = s->recent * 2 * WAKE_UPS / past + sched_least_window(s);
    bool busy = s->waiting > 0;
    if (wanted < s->window)
        wanted = busy && s->was_busy ? (s->window + wanted) / 2 : s->window;
    if (wanted > s->window || s->narrow < s->window)
        s->full = false; /* more may be handed over at once */
    s->window = wanted < s->nrefs ? wanted : s->nrefs;
    if (!s->narrowed && s->came_back <= SCHED_BACK * s->recent && s->narrow < s->window)
        s->narrow *= 2;
    s->narrowed = s->cramped = false;
    s->came_back = 0;
    s->was_busy = busy;
    s->paced = now;
    s->recent = 0;
}
