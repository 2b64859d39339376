/* pool:fileno: a descriptor that is readable while dispatch has something to do.
**
** That is so when the pool has news for us, or when callbacks are due already: results are taken in
** also where no callbacks may run (in submit, in making an iterator). So it is an epoll descriptor
** over two: the pool's own, and one that is readable while callbacks of the state are due.
*/
#include <sys/epoll.h>
#include "bind/bind.h"
#include "worker/root.h"

/* In a forked child of the program. */
static void close_both(void *core) {
    struct core *c = core;
    tine__close(&c->epoll);
    tine__close(&c->due);
}

static void set_due(struct core *c, bool due) {
    if (due)
        tine__fd_ring(c->due);
    else
        tine__fd_clear(c->due);
}

void tine__due_changed(struct state *S) {
    if (S->filenos == 0)
        return;
    for (struct list *n = S->cores.next; n != &S->cores; n = n->next) {
        struct core *c = LIST_ITEM(n, struct core, node);
        if (c->due != -1)
            set_due(c, callbacks_due(S));
    }
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
    c->fileno_watch = tine__root_watch(close_both, c);
    return c->fileno_watch ? 0 : TINE_ENOMEM;
}

int tine__core_fileno(struct state *S, struct core *c) {
    if (c->epoll != -1)
        return c->epoll;
    int err = open_both(c);
    if (err) {
        close_both(c);
        return err;
    }
    S->filenos++;
    set_due(c, callbacks_due(S));
    return c->epoll;
}

void tine__core_close_fileno(struct state *S, struct core *c) {
    if (c->epoll == -1)
        return;
    S->filenos--;
    tine__root_unwatch(c->fileno_watch);
    close_both(c);
}
