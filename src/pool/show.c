/* The socket that clients connect to, and the connected client (show.h). */
#include "pool/show.h"

#include <stdio.h>
#include "base/fd.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "worker/root/root.h"

#define LOOK (5 * MILLISECOND) /* how often to look whether the worker has written its place */

/* --- opening and closing --- */

/* In a forked child of the program: close the sockets, so that no client waits for an answer. */
static void close_in_child(void *arg) {
    struct show *s = arg;
    tine__close(&s->listener);
    tine__close(&s->peer);
}

void tine__show_open(struct pool *p, const char *name) {
    struct show *s = &p->show;
    char at[64];
    snprintf(s->name, sizeof s->name, "%s", name ? name : "tine");
    snprintf(at, sizeof at, "tine/%d/%llx", (int)getpid(), tine__now());
    s->watch = tine__root_watch(close_in_child, s);
    if (s->watch)
        s->listener = tine__fd_listen(at);
}

void tine__show_close(struct pool *p) {
    struct show *s = &p->show;
    tine__root_unwatch(s->watch);
    s->watch = NULL;
    tine__close(&s->listener);
    tine__close(&s->peer);
}

/* --- the client --- */

void tine__show_hang_up(struct show *s) {
    tine__close(&s->peer);
    s->task = 0;
    s->until = 0;
}

/* --- sleeping --- */

/* While a client is connected the others wait. */
unsigned tine__show_poll(struct pool *p, struct pollfd fds[SHOW_FDS]) {
    const struct show *s = &p->show;
    bool rests = s->peer == -1 && s->until > 0;
    int fd = s->peer != -1 ? s->peer : rests ? -1 : s->listener;
    if (fd == -1)
        return 0;
    fds[0] = (struct pollfd){.fd = fd, .events = s->task ? 0 : POLLIN};
    return 1;
}

/* A descriptor that the program has closed is given up. */
void tine__show_polled(struct pool *p, const struct pollfd *fds, unsigned n) {
    struct show *s = &p->show;
    if (n == 0 || !fds[0].revents)
        return;
    if (fds[0].revents & POLLIN)
        s->called = true;
    else if (s->peer != -1)
        tine__show_hang_up(s); /* the client has gone */
    else
        tine__close(&s->listener);
}

uint64_t tine__show_due(const struct pool *p) {
    const struct show *s = &p->show;
    if (s->peer == -1 && s->until == 0)
        return UINT64_MAX;
    return s->task ? tine__now() + LOOK : s->until;
}
