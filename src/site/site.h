/* Site: where workers are. This machine (the folder local: a fork server, the call queue, a link to each
** worker), the program itself (here), or many machines behind job servers (far). The three know nothing of each other.
**
** A site carries out orders (msg/order.h) and has something to report (msg/report.h). It decides
** nothing: what runs where and when, and what has come of it, is the scheduler's (sched/sched.h), and
** who is waiting for it the pool's. It does not know what a future is.
**
** All operations are called under the pool's lock, and none of them but `work` blocks, calls back, or raises.
** What cannot be done at once (a signal whose socket is full) the site does later by itself: it says
** what it waits for (`poll`). Reports are pulled: nothing is told but when asked.
**
** No descriptor of a site is touched after `retire`.
*/
#ifndef TINE_SITE_SITE_H
#define TINE_SITE_SITE_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "ipc/bell.h"
#include "msg/call.h"
#include "msg/order.h"
#include "msg/progress.h"
#include "msg/report.h"

struct site;
struct heap;
struct letter;
struct store_refs;

#define SITE_NO_EVENTS UINT64_MAX
#define SITE_FDS 8 /* descriptors that a site polls, at most */

/* A call to be handed over. */
struct site_call {
    const struct call_head *head;
    const char *bytes; /* head->length of them; in the call heap when head->offset is set */
    /* RUN: what it names (store/store.h), good until all its tasks have ended. */
    const struct store_refs *refs;
};

struct site_look {
    bool busy; /* it is in the midst of a call */
    /* Of the task that it has begun, or taken up, last; 0: none. Its end may have been reported. */
    uint64_t id;
    uint64_t since; /* ns of the clock: when that began; 0: unknown */
};

struct site_ops {
    /* Carry out an order; `call` goes with ORDER_RUN. One that is for one worker is to be posted to it next. */
    void (*give)(struct site *s, const struct order *o, const struct site_call *call,
                 struct answer *a);
    /* Let workers look at what was handed over: once for a batch. The time is one that was read in it. */
    void (*flush)(struct site *s, uint64_t now);
    /* NULL where workers do not sleep. Do calls lie there although workers sleep? Whoever was woken for them may have been
    ** stopped since. With `wake` all others are woken. */
    bool (*overdue)(struct site *s, bool wake);
    /* Say so (a bell for the manager, and REPORT_ROOM) when at most `level` calls are left. True: so few
    ** are left already. */
    bool (*want_room)(struct site *s, unsigned level);
    /* Has a worker taken up the call? As cheap as a load. */
    bool (*taken)(struct site *s, uint32_t ref);
    /* Was where the call is asked something that it has not answered yet: whether it had begun when it was to be taken back,
    ** or ended; how far it is? NULL where all is known at once. */
    bool (*unsure)(struct site *s, uint32_t ref);
    /* What task `id` of the call, which a worker has taken up, has said last of its progress. False: nothing; or (`unsure`)
    ** it is to be asked, and REPORT_PROGRESS will come. */
    bool (*progress)(struct site *s, uint32_t ref, uint64_t id, struct progress *out);
    /* Task `id` of the call, which the worker runs, may emit what comes before event `number` of that worker's, or
    ** (SITE_NO_EVENTS) nobody wants what it emits. NULL where it may emit at any time. */
    void (*grant)(struct site *s, uint32_t ref, unsigned worker, uint64_t id, uint64_t number);
    /* Of what was told to be printed by tasks of the call (REPORT_PRINTED) so many bytes more were written; who waits for
    ** that may go on. NULL where none of that comes. */
    void (*written)(struct site *s, uint32_t ref, uint64_t bytes);
    /* What is the worker doing? */
    void (*look)(struct site *s, unsigned worker, struct site_look *out);

    /* Have the worker write down where in its Lua code it stands, or (`want` false) no more; and what it has written of
    ** task `id`. False: it cannot; it has not yet. NULL: nor can any. */
    bool (*inquire)(struct site *s, unsigned worker, bool want);
    bool (*inquired)(struct site *s, unsigned worker, uint64_t id, char *out, size_t size,
                     size_t *length);

    /* Is there a report that came through shared memory? Cheap. With `pressed` only if it cannot wait for a
    ** reader (a ring that is filling up). */
    bool (*news)(struct site *s, bool pressed);
    /* The next report; false: there is none. What `polled` has seen to be readable is read, too; with
    ** `listen` all that there may be. *r is what the last call has put there, from which much of the next may follow; at
    ** first its kind is REPORT_NONE. */
    bool (*report)(struct site *s, struct report *r, bool listen);
    /* Keep the bytes of the report given last, until `release` (any time before `close`). */
    void (*keep)(struct site *s, const struct report *r);
    void (*release)(struct site *s, void *lane, uint64_t offset);

    /* NULL where workers are processes. Is there something for a thread of the program to do? */
    bool (*has_work)(struct site *s);
    /* Do one thing of that, with the pool's lock (this one) given up meanwhile: the only operation that takes its
    ** time. False: there is nothing. Reports may follow. */
    bool (*work)(struct site *s, pthread_mutex_t *lock);

    /* Post a letter (msg/nested.h), which lies in the call heap at this place, to the worker, and how many of all it needs no
    ** more. NULL where tasks of tasks run at once. */
    void (*post)(struct site *s, unsigned worker, uint64_t place, struct letter *letter);
    uint64_t (*read)(struct site *s, unsigned worker);

    /* Room for workers up to this id. NULL where there is one for good. 0 or TINE_ENOMEM. */
    int (*resize)(struct site *s, unsigned workers);

    /* Are the descriptors of the site, and of the bells, still the pool's own? If not (somebody has closed or replaced
    ** them), REPORT_GONE comes next. */
    bool (*intact)(struct site *s);

    /* NULL where only descriptors tell. When is there something to be done (ns of the clock, or UINT64_MAX)? And do it, when
    ** that time has come; reports may follow. */
    uint64_t (*due)(struct site *s);
    void (*tick)(struct site *s, uint64_t now);

    /* What to sleep on: fills in fds, their number. */
    unsigned (*poll)(struct site *s, struct pollfd fds[SITE_FDS]);
    void (*polled)(struct site *s, const struct pollfd *fds, unsigned n);

    /* Memory that workers can read: for the pool's store, which has it to itself (store/store.h). It is to be
    ** retired before the site. */
    struct heap *(*heap)(struct site *s);

    /* NULL where workers see by themselves what is in that memory. The shared value with this id is wanted no more. */
    void (*forget)(struct site *s, uint64_t id);

    /* After REPORT_GONE: give back all descriptors; what was kept stays readable. */
    void (*retire)(struct site *s);
    /* Give everything back. Retires first. */
    void (*close)(struct site *s);
};

struct site {
    const struct site_ops *ops;
};

/* The bells of a pool: whom workers wake (ipc/bell.h). */
struct site_bells {
    struct bell waiter;  /* the thread that waits */
    struct bell manager; /* its fd is the manager's wakeup */
};

#endif
