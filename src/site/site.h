/* Site: where workers are. There are three: this machine (folder local: a fork server, the call
** queue, a link to each worker), the program itself (here), and many machines behind job servers
** (far). They know nothing of each other.
**
** A site carries out orders (msg/order.h) and gives reports (msg/report.h). It decides nothing:
** what runs where and when, and what follows from a report, is up to the scheduler (sched/sched.h);
** who waits for a result, up to the pool. A site does not know what a future is.
**
** All operations are called under the pool's lock, and none of them but `work` blocks, calls back,
** or raises. What cannot be done at once (a signal for which the socket has no room) the site does
** later by itself, and `poll` says what it waits for. Reports are pulled: the pool asks for each.
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
#define SITE_FDS 8 /* most descriptors that a site polls */

/* A call that is handed over. */
struct site_call {
    const struct call_head *head;
    /* head->length of them; when head->offset is set they lie in the call heap */
    const char *bytes;
    /* RUN: the references that the call holds (store/store.h), valid until
    ** all its tasks have ended. */
    const struct store_refs *refs;
};

struct site_look {
    bool busy; /* the worker is in the midst of a call */
    /* The task that the worker has begun, or taken, last; 0: none. Its end may have been
    ** reported. */
    uint64_t id;
    uint64_t since; /* ns of the clock: when it began; 0: unknown */
};

struct site_ops {
    /* Carry out an order; `call` goes with ORDER_RUN. A call for one particular worker has to be
    ** posted to that worker next. */
    void (*give)(struct site *s, const struct order *o, const struct site_call *call,
                 struct answer *a);
    /* Let workers see the calls that were handed over; once for a batch. `now`
    ** was read in this batch. */
    void (*flush)(struct site *s, uint64_t now);
    /* Do calls lie in the queue while workers sleep? (A worker that was woken for them
    ** may have been stopped since.) With `wake` all sleeping workers are woken. NULL
    ** where workers do not sleep. */
    bool (*overdue)(struct site *s, bool wake);
    /* Wake the manager when at most `level` calls are left, by its bell or by REPORT_ROOM. True: so
    ** few are left already, and the manager may not be woken. */
    bool (*want_room)(struct site *s, unsigned level);
    /* Has a worker taken the call? As cheap as a load. */
    bool (*taken)(struct site *s, uint32_t ref);
    /* Is there an open question about the call that its place has not answered yet: had it begun
    ** when it was to be taken back, has it ended, how far is it? NULL where all is known at
    ** once. */
    bool (*unsure)(struct site *s, uint32_t ref);
    /* The last progress of task `id` of the call, which a worker has taken. False: none; or
    ** (`unsure`) the site has asked for it, and REPORT_PROGRESS will come. */
    bool (*progress)(struct site *s, uint32_t ref, uint64_t id, struct progress *out);
    /* Let task `id` of the call, which the worker runs, emit the events before number `number`
    ** of that worker; SITE_NO_EVENTS: nobody wants its events. NULL where tasks may emit at any
    ** time. */
    void (*grant)(struct site *s, uint32_t ref, unsigned worker, uint64_t id, uint64_t number);
    /* `bytes` more of what REPORT_PRINTED brought for the call were written; tasks that wait for
    ** that go on. NULL where there are no such reports. */
    void (*written)(struct site *s, uint32_t ref, uint64_t bytes);
    /* What is the worker doing? */
    void (*look)(struct site *s, unsigned worker, struct site_look *out);

    /* inquire: have the worker write down where in its Lua code it stands, or (`want` false) stop
    ** asking; false: it cannot. inquired: what it has written about task `id`; false: nothing yet.
    ** NULL where no worker can. */
    bool (*inquire)(struct site *s, unsigned worker, bool want);
    bool (*inquired)(struct site *s, unsigned worker, uint64_t id, char *out, size_t size,
                     size_t *length);

    /* Has a report come through shared memory? Cheap. With `pressed`: one that cannot wait for a
    ** reader (a ring that is filling up). */
    bool (*news)(struct site *s, bool pressed);
    /* The next report; false: there is none. It also reads the descriptors that `polled` found
    ** readable; with `listen` all of them. *r still holds the last report, from which much of the
    ** next may follow; before the first call its kind is REPORT_NONE. */
    bool (*report)(struct site *s, struct report *r, bool listen);
    /* Keep the bytes of the last report until `release` (at any time before `close`). */
    void (*keep)(struct site *s, const struct report *r);
    void (*release)(struct site *s, void *lane, uint64_t offset);

    /* Is there something for a thread of the program to do? NULL where workers are processes. */
    bool (*has_work)(struct site *s);
    /* Do one such thing. The only operation that takes time: it gives up `lock`, the pool's lock,
    ** meanwhile. False: there is nothing to do. Reports may follow. */
    bool (*work)(struct site *s, pthread_mutex_t *lock);

    /* post: send the worker a letter (msg/nested.h), which lies in the call heap at `place`. read:
    ** how many letters the worker has finished with. NULL where tasks of tasks run at once. */
    void (*post)(struct site *s, unsigned worker, uint64_t place, struct letter *letter);
    uint64_t (*read)(struct site *s, unsigned worker);

    /* Make room for workers with ids up to `workers`. NULL where there is always
    ** room. 0 or TINE_ENOMEM. */
    int (*resize)(struct site *s, unsigned workers);

    /* Are the descriptors of the site and of the bells still the pool's own? If not (the program
    ** has closed or replaced them), REPORT_GONE comes next. */
    bool (*intact)(struct site *s);

    /* due: when there is something to do (ns of the clock, or UINT64_MAX). tick: do it when that
    ** time has come; reports may follow. NULL where descriptors alone tell. */
    uint64_t (*due)(struct site *s);
    void (*tick)(struct site *s, uint64_t now);

    /* poll: fill in the descriptors to sleep on; returns their number. polled:
    ** what poll(2) said of them. */
    unsigned (*poll)(struct site *s, struct pollfd fds[SITE_FDS]);
    void (*polled)(struct site *s, const struct pollfd *fds, unsigned n);

    /* Memory that workers can read. The pool's store has it for itself (store/store.h), and is
    ** retired before the site. */
    struct heap *(*heap)(struct site *s);

    /* The shared value with this id is not needed any more. NULL where workers see
    ** that in the memory itself. */
    void (*forget)(struct site *s, uint64_t id);

    /* After REPORT_GONE: close all descriptors. What was kept stays readable. */
    void (*retire)(struct site *s);
    /* Retire if that was not done, and free everything. */
    void (*close)(struct site *s);
};

struct site {
    const struct site_ops *ops;
};

/* The bells of a pool, by which workers wake it (ipc/bell.h). */
struct site_bells {
    struct bell waiter;  /* for the thread that waits for results */
    struct bell manager; /* for the manager; its fd is that of the manager's wakeup */
};

#endif
