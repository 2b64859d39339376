/* pool:fileno: a descriptor that is readable while pool:dispatch has something to do.
**
** That is when the pool has news for this state, and when callbacks are due already, since results
** are taken in also where no callbacks may run (in submit, in making an iterator). So it is an
** epoll descriptor for two others: the inbox's, and one that is readable while callbacks are due. A
** loop that serves the pool (loop.c) also uses the second one for other purposes, and may add a
** timer.
**
** It is closed when the pool has ended. But a loop that still watches its number would then watch
** another file that gets this number. If that may be so, it stays open, and readable, until the
** loop releases it.
*/
#include <sys/epoll.h>
#include "base/clock.h"
#include "bind/callbacks.h"
#include "bind/fileno.h"
#include "worker/root/root.h"

/* Called in a forked child of the program. */
static void close_all(void *core) {
    struct core *c = core;
    tine__close(&c->epoll);
    tine__close(&c->due);
    tine__close(&c->alarm);
}

static void set_due(const struct state *S, const struct core *c) {
    if (c->due == -1)
        return;
    if (c->rung || callbacks_due(S))
        tine__fd_ring(c->due);
    else
        tine__fd_clear(c->due);
}

void tine__core_ring(struct state *S, struct core *c, bool on) {
    if (c->rung == on)
        return;
    c->rung = on;
    set_due(S, c);
}

void tine__due_changed(struct state *S) {
    if (S->filenos == 0)
        return;
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next)
        set_due(S, LIST_ITEM(n, struct core, node));
}

static int add(int epoll, int fd) {
    struct epoll_event event = {.events = EPOLLIN};
    return sys.epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : TINE_ESYSTEM;
}

static int open_both(struct core *c) {
    int news = tine__inbox_fileno(&c->inbox);
    if (news < 0)
        return news;
    c->due = tine__fd_event();
    c->epoll = tine__fd_epoll();
    if (c->due == -1 || c->epoll == -1 || add(c->epoll, news) || add(c->epoll, c->due))
        return TINE_ESYSTEM;
    c->fileno_watch = tine__root_watch(close_all, c);
    return c->fileno_watch ? 0 : TINE_ENOMEM;
}

int tine__core_fileno(struct state *S, struct core *c) {
    if (c->epoll != -1)
        return c->epoll;
    int err = open_both(c);
    if (err) {
        close_all(c);
        return err;
    }
    S->filenos++;
    set_due(S, c);
    return c->epoll;
}

void tine__core_close_fileno(struct state *S, struct core *c) {
    if (c->epoll == -1)
        return;
    S->filenos--;
    tine__root_unwatch(c->fileno_watch);
    close_all(c);
}

void tine__core_end_fileno(struct state *S, struct core *c) {
    if (c->served || c->polled)
        tine__core_ring(S, c, true);
    else
        tine__core_close_fileno(S, c);
}

static int open_alarm(struct core *c) {
    c->alarm = tine__fd_timer();
    if (c->alarm != -1 && add(c->epoll, c->alarm) == 0)
        return 0;
    tine__close(&c->alarm);
    return TINE_ESYSTEM;
}

int tine__core_alarm(struct core *c, uint64_t deadline) {
    if (c->epoll == -1 || (c->alarm == -1 && deadline == WAIT_FOREVER))
        return 0;
    int err = c->alarm == -1 ? open_alarm(c) : 0;
    if (!err) /* a timer of 0 is off, so a deadline of 0 becomes 1 ns */
        tine__fd_set_timer(c->alarm, deadline == WAIT_FOREVER ? 0 : deadline ? deadline : 1);
    return err;
}
