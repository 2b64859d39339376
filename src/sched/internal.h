/* The scheduler's inside: what its files share (sched.h). */
#ifndef TINE_SCHED_INTERNAL_H
#define TINE_SCHED_INTERNAL_H

#include "base/hot.h"
#include "sched/sched.h"

#define SCHED_MILLISECOND 1000000ull
#define SCHED_BACK 4 /* calls that are taken back for each that ends: more are too many */

/* How those tasks of the call end that shall never run. */
static inline enum ending sched_end_unrun(const struct sched *s, const struct task *t) {
    return s->life >= LIFE_STOPPING ? ENDING_BROKEN : t->unrun ? t->unrun : ENDING_CANCELLED;
}

/* `t` is no longer open. */
static inline void sched_close(struct sched *s, const struct task *t) {
    s->open--;
    s->nested -= t->nested;
    s->bytes -= t->bytes;
}

/* The timer of a task. Most tasks have none: `timed` spares them the look at that cache line. */
static inline void sched_clear_timer(struct sched *s, struct task *t) {
    if (t->timed)
        tine__timer_clear(&s->timers, &t->timer);
    t->timed = false;
}
static inline void sched_set_timer(struct sched *s, struct task *t, uint64_t when) {
    if (when == TIMER_NEVER) {
        sched_clear_timer(s, t);
        return;
    }
    t->timed = true;
    tine__timer_set(&s->timers, &t->timer, when);
}

/* --- state.c: changes that keep the counts true --- */

/* Tasks [from, to) of `t` end by `how`: there is an event, and `t` may be DONE. */
COLD void tine__sched_end(struct sched *s, struct task *t, uint32_t from, uint32_t to,
                          enum ending how);
/* `t`, which was just taken from the policy, becomes SENT. There must be a free ref. */
void tine__sched_send(struct sched *s, struct task *t);
/* `t`, which is in no list, becomes WAITING again. `unspent`: its group has not used up its
** turn. */
void tine__sched_wait(struct sched *s, struct task *t, bool unspent);
/* Take `t` from where it is: HELD, with the site, or WAITING. Its state is the caller's to set. */
void tine__sched_leave(struct sched *s, struct task *t);
/* The same, and `t` is DONE. */
void tine__sched_done(struct sched *s, struct task *t);
/* `t`, which is in no list, becomes HELD. */
void tine__sched_hold(struct sched *s, struct task *t);
/* `t` has ended by `how`, or by its result (ENDING_NONE; `error`: that is an error). Is it tried
** again? Then it is HELD now. */
COLD bool tine__sched_fails(struct sched *s, struct task *t, enum ending how, bool error);
/* `t` is no longer with the site. It is in no list and NEW; the caller makes it WAITING, HELD or
** DONE. */
void tine__sched_unsend(struct sched *s, struct task *t);
/* All open tasks of `t`, which is with nobody, end without having run. */
void tine__sched_end_rest(struct sched *s, struct task *t);
/* The open tasks of `t` wait again, or end if they shall not run. Nothing if `t` is DONE or
** HELD. */
void tine__sched_wait_again(struct sched *s, struct task *t, bool unspent);
/* A waiting task may have to be before some that lie in the site's queue. `again`: it has waited
** before, so its place may be anywhere. */
static inline void tine__sched_overtake(struct sched *s, bool again) {
    s->overtake = !list_empty(&s->handed);
    s->anew |= again && s->waiting > 0;
    s->stirred = true;
}
/* Ranks have changed: the order of the site's queue is looked at, too. */
static inline void sched_rerank(struct sched *s) {
    s->in_order = s->policy.now;
    tine__sched_overtake(s, false);
}
/* A task that waited, or lay in the site's queue, is gone. It had lent its age to others of its
** priority. */
static inline void sched_lost_age(struct sched *s) {
    if (s->policy.nlines > 1)
        sched_rerank(s);
}
/* Set the timer of `t` to `when`, or to its deadline if that is earlier. */
void tine__sched_watch(struct sched *s, struct task *t, uint64_t when);
/* Have an order of this kind given for a SENT task. */
void tine__sched_wish(struct sched *s, struct task *t, enum order_kind wish);
/* No such order is wanted any more. */
void tine__sched_unwish(struct task *t);

/* --- nested.c --- */

/* `t` needs no extra worker any more. */
static inline void sched_no_longer_extra(struct sched *s, struct task *t) {
    if (!t->extra)
        return;
    t->extra = false;
    s->extra--;
    s->stirred = true;
}
/* `t` is WAITING: if the task of a worker waits for it, that worker may run it. */
static inline void sched_offer(struct sched *s, struct task *t) {
    if (!t->awaiter || !list_empty(&t->on_top))
        return;
    list_push(&s->on_top, &t->on_top);
    s->stirred = true;
}
/* `t` is no longer with the site, or no longer waits for its children. */
static inline void sched_no_longer_blocked(struct sched *s, struct task *t) {
    s->blocked -= t->blocked;
    t->blocked = false;
}
/* The task of this worker waits for others, or no longer does. */
static inline void sched_set_waits(struct sched *s, struct worker *w, bool waits) {
    s->stuck += waits;
    s->stuck -= w->waits;
    w->waits = waits;
}
/* `t` is no longer to be withdrawn for the worker whose task waits for it. */
static inline void sched_not_fetched(struct sched *s, struct task *t) {
    struct worker *w = &s->workers[t->awaiter];
    if (t->fetching && w->serving == t->call.id)
        w->serving = 0;
    t->fetching = false;
}
/* No task waits for `t` any more. */
static inline void sched_no_longer_awaited(struct sched *s, struct task *t) {
    sched_no_longer_extra(s, t);
    if (!t->awaiter)
        return;
    sched_not_fetched(s, t);
    list_remove(&t->on_top);
    sched_set_waits(s, &s->workers[t->awaiter], false);
    t->awaiter = 0;
}
/* The next order to run a task on top of another. */
bool tine__sched_order_on_top(struct sched *s, struct order *o);

/* --- workers.c, again --- */

/* Have at least `n` refs. 0 or TINE_ENOMEM. */
COLD int tine__sched_grow(struct sched *s, uint32_t n);
/* Dismiss workers beyond sched_most_workers. */
void tine__sched_shrink(struct sched *s);

/* --- sched.c --- */

/* There is no host that could run anything: tasks that wait are lost, and those at the site that
** can be taken back. */
void tine__sched_desert(struct sched *s);

/* --- stop.c: how a running task is ended --- */

/* End task `next` of a SENT call by `how`. It is asked first if it has a grace. */
COLD void tine__sched_stop_task(struct sched *s, struct task *t, enum ending how);
/* `t` was handed over: set its timer to the first time at which it may have run too long. */
COLD void tine__sched_look_first(struct sched *s, struct task *t, uint64_t now);
/* The answer to ORDER_LOOK, ORDER_ASK, ORDER_STOP. */
void tine__sched_looked(struct sched *s, struct task *t, const struct answer *a, uint64_t now);
void tine__sched_asked(struct sched *s, struct task *t, const struct answer *a, uint64_t now);
void tine__sched_stopped(struct sched *s, struct task *t, const struct answer *a, uint64_t now);
/* The grace of `t` is over. */
void tine__sched_grace_over(struct sched *s, struct task *t);
/* Task `next` has answered, whether it was asked or not: how it ends. ENDING_NONE: by its
** result. */
COLD enum ending tine__sched_heard(struct sched *s, struct task *t);
/* Was any of the lost tasks asked to end? */
bool tine__sched_lost_asked(const struct sched *s);

/* --- state.c, again: workers and the pool --- */

/* Have the worker killed. */
COLD void tine__sched_doom(struct sched *s, unsigned worker, enum doom why);
/* Have it signalled. */
void tine__sched_signal(struct sched *s, unsigned worker, int signal);
/* Initialize the table up to this entry. The table has room for thousands of workers, and few pools
** have so many: the rest of it is never touched. */
void tine__sched_know(struct sched *s, unsigned worker);
/* A worker was ordered; it is gone, or was never there. */
void tine__sched_appear(struct sched *s, unsigned worker);
void tine__sched_vanish(struct sched *s, unsigned worker);
/* A worker that was there has ended. `status`: as waitpid gives it, NULL: not known. */
void tine__sched_depart(struct sched *s, unsigned worker, enum parting why, const int *status);

/* --- errands.c --- */

/* A worker says that it has run errand `number`. False: that cannot be. */
bool tine__sched_ran(struct sched *s, unsigned worker, uint64_t number);
/* The worker will run no more errands. */
void tine__sched_forget_errands(struct sched *s, const struct worker *w);
/* Is there an errand that the worker has not run? Never on other machines: there it comes with a
** task. */
bool tine__sched_owes(const struct sched *s, const struct worker *w);
/* Has a worker that has started yet to run an errand that waits for it? (One that is still starting
** may hang.) */
bool tine__sched_errands_left(const struct sched *s);
/* The pool is broken: no errand that is not done will be. */
void tine__sched_break_errands(struct sched *s);
bool tine__sched_order_errand(struct sched *s, struct order *o);

/* --- workers.c: workers that are to leave though the pool goes on --- */

/* A worker was started: its age counts from now. */
void tine__sched_begin_age(struct sched *s, unsigned worker, uint64_t now);
/* A worker has reached max_age: it leaves, or first runs a task if it has run none. */
void tine__sched_grew_old(struct sched *s, unsigned worker);
/* A worker was told to leave, or asked again whether it does: the answer to ORDER_DISMISS. */
COLD void tine__sched_dismissed(struct sched *s, unsigned worker, const struct answer *a,
                                uint64_t now);
/* It has not said that it leaves: ask again. */
COLD void tine__sched_look_whether_left(struct sched *s, unsigned worker);
/* A worker says that it has nothing to do; that it leaves, and why. */
void tine__sched_idle(struct sched *s, unsigned worker);
void tine__sched_leaving(struct sched *s, unsigned worker, uint64_t why, uint64_t now);
/* Why a worker has ended, if it did not crash. */
enum parting tine__sched_parting(const struct sched *s, unsigned worker);

/* --- state.c --- */

/* Start no worker before `until`. */
void tine__sched_hold_starts(struct sched *s, uint64_t until);
/* No process can be created for a worker that is wanted. If there are other workers they go on, and
** the start is tried again in a while; else the pool is broken. */
void tine__sched_no_process(struct sched *s, int error, uint64_t now);
/* Workers may be started again. */
void tine__sched_let_start(struct sched *s);
/* The worker takes no more calls; `state` is its new one. */
void tine__sched_retire(struct sched *s, unsigned worker, enum worker_state state);
/* The pool is broken, or killed. Tasks that have not begun end now, the others with their
** workers. */
void tine__sched_stop(struct sched *s, const struct blame *blame, bool hard);

#endif
