/* The requests of clients and their answers (show.h). */
#include <string.h>
#include <sys/socket.h>
#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "pool/internal.h"

#define PATIENCE (1 * SECOND) /* with a connected client */
/* Without a Lua instruction for so long, the task counts as being in C code. */
#define IN_C (800 * MILLISECOND)

/* --- the client --- */

/* Is the client's user our own, or root? */
static bool may_look(int fd) {
    struct ucred who;
    socklen_t size = sizeof who;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) == 0 &&
           (who.uid == geteuid() || who.uid == 0);
}

/* Accept a client. There may be no descriptor for it while it goes on calling: accept again only
** after a pause. */
static void take_call(struct show *s) {
    s->peer = tine__fd_accept(s->listener);
    s->until = tine__now() + PATIENCE;
    if (s->peer != -1 && !may_look(s->peer))
        tine__show_hang_up(s);
}

/* Send the text in a file, so that the socket needs no room for it. With `err`, there is no text:
** only hang up. */
static void reply(struct show *s, struct buf *text, int err) {
    struct show_reply r = {.magic = SHOW_MAGIC, .length = text->len};
    int file = err ? -1 : tine__fd_memfd("tine-shown", 0);
    if (file != -1 && write(file, text->data, text->len) == (ssize_t)text->len)
        tine__control_send(s->peer, &r, sizeof r, &file, 1);
    tine__close(&file);
    tine__buf_free(text);
    tine__show_hang_up(s);
}

/* --- requests --- */

static void show_state(struct pool *p) {
    struct buf text;
    tine__buf_init(&text);
    reply(&p->show, &text, tine__show_state(p, &text));
}

static void show_place(struct pool *p, const struct worker_info *w, const char *how,
                       const char *bytes, size_t length) {
    struct buf text;
    tine__buf_init(&text);
    reply(&p->show, &text, tine__show_place(w, p->show.task, how, bytes, length, &text));
}

/* Find the worker that runs the task. False: none. */
static bool find_runner(struct pool *p, uint64_t task, struct worker_info *out) {
    unsigned n = 0;
    struct worker_info *list = tine__pool_all_workers(p, &n);
    bool found = false;
    for (unsigned i = 0; i < n && !found; i++)
        if ((found = list[i].task == task))
            *out = list[i];
    free(list);
    return found;
}

static bool inquire(struct pool *p, unsigned worker, bool want) {
    pthread_mutex_lock(&p->lock);
    bool can = !pool_site_is_gone(p) && p->site->ops->inquire &&
               p->site->ops->inquire(p->site, worker, want);
    pthread_mutex_unlock(&p->lock);
    return can;
}

static void begin_inquiry(struct pool *p, uint64_t task) {
    struct worker_info w = {0};
    p->show.task = task;
    if (!find_runner(p, task, &w)) {
        show_place(p, &w, "gone", "", 0);
    } else if (inquire(p, w.id, true)) {
        p->show.worker = w.id;
        p->show.until = tine__now() + IN_C;
    } else {
        show_place(p, &w, "unknown", "", 0);
    }
}

/* Answer if the worker has written its place, or has had time enough. */
static void continue_inquiry(struct pool *p) {
    struct show *s = &p->show;
    struct worker_info w = {0};
    char place[SHOW_PLACE];
    size_t length = 0;
    pthread_mutex_lock(&p->lock);
    bool told = !pool_site_is_gone(p) &&
                p->site->ops->inquired(p->site, s->worker, s->task, place, sizeof place, &length);
    pthread_mutex_unlock(&p->lock);
    if (!told && tine__now() < s->until)
        return;
    if (!find_runner(p, s->task, &w))
        show_place(p, &w, "gone", "", 0);
    else
        show_place(p, &w, told ? "lua" : "c", place, length);
    inquire(p, s->worker, false);
}

static void hear(struct pool *p) {
    struct show_request r = {0};
    struct show *s = &p->show;
    int none = 0;
    ssize_t n = tine__control_receive(s->peer, &r, sizeof r, NULL, &none);
    if (n == TINE_EAGAIN)
        return;
    if (n != sizeof r || memcmp(r.magic, SHOW_MAGIC, sizeof r.magic) != 0)
        tine__show_hang_up(s);
    else if (r.what == SHOW_PLACE_OF)
        begin_inquiry(p, r.id);
    else
        show_state(p);
}

void tine__show_serve(struct pool *p) {
    struct show *s = &p->show;
    if (s->peer == -1 && s->until > 0 && tine__now() >= s->until)
        s->until = 0;
    if (s->peer == -1 && s->called)
        take_call(s);
    s->called = false;
    if (s->peer != -1 && s->task)
        continue_inquiry(p);
    else if (s->peer != -1)
        hear(p);
    if (s->peer != -1 && !s->task && tine__now() >= s->until)
        tine__show_hang_up(s);
}
