/* The scheduler's inside: what its files share (sched.h). */
#ifndef TINE_SCHED_INTERNAL_H
#define TINE_SCHED_INTERNAL_H

#include "base/hot.h"
#include "sched/sched.h"

#define SCHED_MILLISECOND 1000000ull
#define SCHED_BACK 4 /* calls that are taken back for each that ends: more are too many */

/* How that of it ends which shall never run. */
static inline enum ending sched_end_unrun(const struct sched *s, const struct task *t) {
    return s->life >= LIFE_STOPPING ? ENDING_BROKEN : t->unrun ? t->unrun : ENDING_CANCELLED;
}

/* It is open no more. */
static inline void sched_close(struct sched *s, const struct task *t) {
    s->open--;
    s->nested -= t->nested;
    s->bytes -= t->bytes;
}

/* Its timer, of which most have none, and then it is not looked at. */
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

/* Tasks [from, upto) of `t` end by `how`: an event. With that it may be DONE. */
COLD void tine__sched_end(struct sched *s, struct task *t, uint32_t from, uint32_t to,
                          enum ending how);
/* It is with the site from now on: it was just taken from the policy, and there is a free ref. */
void tine__sched_send(struct sched *s, struct task *t);
/* It waits from now on, not for the first time; it is in no list. `unspent`: its group has not had its turn. */
void tine__sched_wait(struct sched *s, struct task *t, bool unspent);
/* It is in no list and with nobody from now on. */
void tine__sched_leave(struct sched *s, struct task *t);
/* That, and DONE. */
void tine__sched_done(struct sched *s, struct task *t);
/* It is HELD from now on; it was in no list. */
void tine__sched_hold(struct sched *s, struct task *t);
/* It has ended like this, or (NONE) by a result, which is an `error` of its own: is it tried again? It is HELD then. */
COLD bool tine__sched_fails(struct sched *s, struct task *t, enum ending how, bool error);
/* It is no longer with the site; it is in no list, and not yet WAITING or DONE. */
void tine__sched_unsend(struct sched *s, struct task *t);
/* What is open of it, and with nobody, never runs. */
void tine__sched_end_rest(struct sched *s, struct task *t);
/* What is open of it waits again, or ends if it shall not run; it is DONE when there is nothing. */
void tine__sched_wait_again(struct sched *s, struct task *t, bool unspent);
/* Something waits that may have to be before what nobody has taken up yet; `again`: it has come back. */
static inline void tine__sched_overtake(struct sched *s, bool again) {
    s->overtake = !list_empty(&s->handed);
    s->anew |= again && s->waiting > 0;
    s->stirred = true;
}
/* Ranks have changed: what is with the site is looked through, too. */
static inline void sched_rerank(struct sched *s) {
    s->in_order = s->policy.now;
    tine__sched_overtake(s, false);
}
/* One that waited, or was handed over and not taken up, is gone; it had lent its age to those of its priority. */
static inline void sched_lost_age(struct sched *s) {
    if (s->policy.nlines > 1)
        sched_rerank(s);
}
/* Look at it then, or at its deadline if that is earlier. */
void tine__sched_watch(struct sched *s, struct task *t, uint64_t when);
/* Have the site do something about a task that is SENT. */
void tine__sched_wish(struct sched *s, struct task *t, enum order_kind wish);
/* That it was to be done is over. */
void tine__sched_unwish(struct task *t);

/* --- nested.c --- */

/* No worker more is wanted for it. */
static inline void sched_no_longer_extra(struct sched *s, struct task *t) {
    if (!t->extra)
        return;
    t->extra = false;
    s->extra--;
    s->stirred = true;
}
/* It waits: the worker whose task waits for it, if there is one, may run it. */
static inline void sched_offer(struct sched *s, struct task *t) {
    if (!t->awaiter || !list_empty(&t->on_top))
        return;
    list_push(&s->on_top, &t->on_top);
    s->stirred = true;
}
/* It is with the site no more. */
static inline void sched_no_longer_blocked(struct sched *s, struct task *t) {
    s->blocked -= t->blocked;
    t->blocked = false;
}
/* Its task waits for others, or does so no more. */
static inline void sched_set_waits(struct sched *s, struct worker *w, bool waits) {
    s->stuck += waits;
    s->stuck -= w->waits;
    w->waits = waits;
}
/* It is not going to be taken back for who waits for it. */
static inline void sched_not_fetched(struct sched *s, struct task *t) {
    struct worker *w = &s->workers[t->awaiter];
    if (t->fetching && w->serving == t->call.id)
        w->serving = 0;
    t->fetching = false;
}
/* Nobody waits for it any more. */
static inline void sched_no_longer_awaited(struct sched *s, struct task *t) {
    sched_no_longer_extra(s, t);
    if (!t->awaiter)
        return;
    sched_not_fetched(s, t);
    list_remove(&t->on_top);
    sched_set_waits(s, &s->workers[t->awaiter], false);
    t->awaiter = 0;
}
/* The next order of that kind. */
bool tine__sched_order_on_top(struct sched *s, struct order *o);

/* --- workers.c, again --- */

/* There are to be so many refs. 0 or TINE_ENOMEM. */
COLD int tine__sched_grow(struct sched *s, uint32_t n);
/* There are more than there may be: some leave. */
void tine__sched_shrink(struct sched *s);

/* --- sched.c --- */

/* Nobody is there who could run anything: what waits is lost, and what was handed over if it can be taken back. */
void tine__sched_desert(struct sched *s);

/* --- stop.c: how a task is ended that runs --- */

/* End task `next` of one that is SENT by `how`: it is asked first, if it is given any grace. */
COLD void tine__sched_stop_task(struct sched *s, struct task *t, enum ending how);
/* It was handed over: look when it can have run too long. */
COLD void tine__sched_look_first(struct sched *s, struct task *t, uint64_t now);
/* The answer to ORDER_LOOK, ORDER_ASK, ORDER_STOP. */
void tine__sched_looked(struct sched *s, struct task *t, const struct answer *a, uint64_t now);
void tine__sched_asked(struct sched *s, struct task *t, const struct answer *a, uint64_t now);
void tine__sched_stopped(struct sched *s, struct task *t, const struct answer *a, uint64_t now);
/* Its grace is over. */
void tine__sched_grace_over(struct sched *s, struct task *t);
/* Task `next` has answered, having been asked or not: what it ends with; ENDING_NONE: with its result. */
COLD enum ending tine__sched_heard(struct sched *s, struct task *t);
/* Was any of those that are lost asked to end? */
bool tine__sched_lost_asked(const struct sched *s);

/* --- state.c, again: workers and the pool --- */

/* Have the worker killed. */
COLD void tine__sched_doom(struct sched *s, unsigned worker, enum doom why);
/* Have it signalled. */
void tine__sched_signal(struct sched *s, unsigned worker, int signal);
/* Make it an entry of the table. There may be thousands, which few pools have: a megabyte that is not written. */
void tine__sched_know(struct sched *s, unsigned worker);
/* A worker is (no longer) there. */
void tine__sched_appear(struct sched *s, unsigned worker);
void tine__sched_vanish(struct sched *s, unsigned worker);
/* The same, of one that was really there; it ended by this, if that is known (NULL: it is not). */
void tine__sched_depart(struct sched *s, unsigned worker, enum parting why, const int *status);

/* --- errands.c --- */

/* A worker has run the errand of this number. False: that makes no sense. */
bool tine__sched_ran(struct sched *s, unsigned worker, uint64_t number);
/* It will run no more of them. */
void tine__sched_forget_errands(struct sched *s, const struct worker *w);
/* Is there one that it has not run? Elsewhere workers run them with a task. */
bool tine__sched_owes(const struct sched *s, const struct worker *w);
/* The pool is broken. */
void tine__sched_break_errands(struct sched *s);
bool tine__sched_order_errand(struct sched *s, struct order *o);

/* --- workers.c: those that are to leave though the pool goes on --- */

/* It was started: it may grow old. */
void tine__sched_begin_age(struct sched *s, unsigned worker, uint64_t now);
/* It has come to that age: it leaves, unless it is still to run its first task. */
void tine__sched_grew_old(struct sched *s, unsigned worker);
/* It has said that it has nothing to do, or that it leaves, and why. */
void tine__sched_idle(struct sched *s, unsigned worker);
void tine__sched_leaving(struct sched *s, unsigned worker, uint64_t why, uint64_t now);
/* Why a worker ends that is not known to have crashed. */
enum parting tine__sched_parting(const struct sched *s, unsigned worker);

/* --- state.c --- */

/* No start until then. */
void tine__sched_hold_starts(struct sched *s, uint64_t until);
/* There is no process to be had for a worker that is wanted: those that are there go on, and it is tried
** again in a while; without any the pool is broken. */
void tine__sched_no_process(struct sched *s, int error, uint64_t now);
/* Starts are no longer held up. */
void tine__sched_let_start(struct sched *s);
/* It is no longer one that takes calls; its new state. */
void tine__sched_retire(struct sched *s, unsigned worker, enum worker_state state);
/* The pool is broken, or killed: all that has not begun ends now, the rest with its worker. */
void tine__sched_stop(struct sched *s, const struct blame *blame, bool hard);

#endif
