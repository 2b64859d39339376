#include "site/far/far.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"
#include "ipc/bell.h"
#include "ipc/heap.h"
#include "ipc/shm.h"
#include "site/far/internal.h"

#define HEAP_PAGE 4096u

/* --- orders and questions --- */

/* Does something wait for room in the socket? */
static bool is_full(const struct far_server *v) {
    return gm_wants_out(&v->conn) && !v->conn.connecting;
}

/* Is everything written? What nobody reads for long is left to the printer alone. */
static bool is_written(struct far *f) {
    bool written = tine__far_printer_finish(f->printer);
    if (!written && tine__now() >= f->farewell) {
        tine__far_printer_forsake(f->printer);
        f->printer = NULL;
        written = true;
    }
    return written;
}

/* Is REPORT_GONE due: is everything sent and written? */
static bool is_over(struct far *f) {
    bool over = f->ending && !f->gone && is_written(f);
    for (unsigned i = 0; i < f->nservers && over && !f->lost; i++)
        over = !is_full(&f->servers[i]) || tine__now() >= f->farewell;
    return over;
}

/* When to look again. */
static uint64_t due(struct far *f) {
    return f->ending && !f->gone && f->farewell ? f->farewell : tine__far_due(f);
}

/* Send what was ordered, and wake the polling thread if there is something for it. */
static void far_flush(struct site *s, uint64_t now) {
    (void)now;
    struct far *f = far_of(s);
    bool wake = !list_empty(&f->news) || f->resumable;
    for (unsigned i = 0; i < f->nservers; i++) {
        struct far_server *v = &f->servers[i];
        for (struct list *n = v->lines.next; n != &v->lines; n = n->next)
            tine__far_say(f, LIST_ITEM(n, struct far_line, node));
        tine__gm_flush(&v->conn);
        wake |= is_full(v) && !v->watched;
    }
    wake |= is_over(f);
    if (far_is_wanted(f) && f->desert == 0)
        tine__far_tick(f, tine__now());
    if (wake || due(f) < f->slept)
        tine__fd_ring(f->manager);
}

static bool far_want_room(struct site *s, unsigned level) {
    (void)level;
    return far_of(s)->refused;
}

static bool far_taken(struct site *s, uint32_t ref) {
    const struct far_sending *sending = far_of(s)->by_ref[ref];
    return sending && sending->stage == FAR_BEGUN;
}

static bool far_unsure(struct site *s, uint32_t ref) {
    const struct far_sending *sending = far_of(s)->by_ref[ref];
    return sending && sending->line &&
           (sending->telling || (sending->stage == FAR_CONFIRMED && sending->wanted));
}

/* Send at once: the caller does not drive the pool. */
static void say_now(struct far *f, struct far_line *l) {
    tine__far_say(f, l);
    tine__gm_flush(&l->server->conn);
}

static bool far_progress(struct site *s, uint32_t ref, uint64_t id, struct progress *out) {
    struct far_sending *sending = far_of(s)->by_ref[ref];
    (void)id;
    (void)out;
    if (!sending || !sending->line || sending->telling)
        return false;
    sending->telling = true;
    tine__far_order(sending->line, SAY_TELL, sending->unique, NULL, 0);
    say_now(far_of(s), sending->line);
    return false;
}

/* Is the new limit worth a message? Not for each event that is read, but surely
** when none is left to emit. */
static bool is_worth_it(const struct far *f, const struct far_sending *s, uint64_t number) {
    return number == SITE_NO_EVENTS || number < s->granted || s->granted <= s->events ||
           number - s->granted >= f->event_buffer / 4;
}

static void far_grant(struct site *s, uint32_t ref, unsigned worker, uint64_t id, uint64_t number) {
    struct far *f = far_of(s);
    struct far_sending *sending = f->by_ref[ref];
    (void)worker;
    if (!sending || !sending->line || sending->id + sending->next != id ||
        number == sending->granted || !is_worth_it(f, sending, number))
        return;
    const struct gm_grant grant = {.number = number, .k = sending->next};
    sending->granted = number;
    tine__far_order(sending->line, SAY_GRANT, sending->unique, &grant, sizeof grant);
    say_now(f, sending->line);
}

static void far_look(struct site *s, unsigned worker, struct site_look *out) {
    (void)worker;
    *out = (struct site_look){.busy = far_of(s)->nsent > 0};
}

/* If a call that was sent earlier still needs the value, its host asks for it again. */
static void far_forget(struct site *s, uint64_t id) {
    struct far *f = far_of(s);
    for (unsigned i = 0; i < f->nservers; i++)
        for (struct list *n = f->servers[i].lines.next; n != &f->servers[i].lines; n = n->next) {
            struct far_line *l = LIST_ITEM(n, struct far_line, node);
            tine__far_order(l, SAY_DROP, NULL, &id, sizeof id);
            say_now(f, l);
        }
}

/* --- reports --- */

static bool far_news(struct site *s, bool pressed) {
    struct far *f = far_of(s);
    (void)pressed;
    return !list_empty(&f->news) || f->reading || f->resumable || is_over(f) ||
           (f->refused && tine__far_has_room(f));
}

static bool far_report(struct site *s, struct report *r, bool listen) {
    struct far *f = far_of(s);
    if (listen)
        for (unsigned i = 0; i < f->nservers; i++)
            f->servers[i].conn.readable = true;
    if (tine__far_hear(f, r))
        return true;
    *r = (struct report){.kind = REPORT_NONE};
    if (is_over(f)) {
        f->gone = true;
        *r = (struct report){.kind = REPORT_GONE, .error = f->lost ? EBADF : 0};
    } else if (f->refused && tine__far_has_room(f)) {
        f->refused = false;
        r->kind = REPORT_ROOM;
    }
    return r->kind != REPORT_NONE;
}

/* --- hosts --- */

static struct far_host *find_host(struct far_host *hosts, unsigned n, const char *name) {
    for (unsigned i = 0; i < n; i++)
        if (strcmp(hosts[i].name, name) == 0)
            return &hosts[i];
    return NULL;
}

unsigned tine__far_hosts(struct site *s, struct far_host *out, unsigned most) {
    struct far *f = far_of(s);
    unsigned n = 0;
    for (unsigned i = 0; i < f->nservers; i++)
        for (struct list *at = f->servers[i].lines.next; at != &f->servers[i].lines;
             at = at->next) {
            const struct far_line *l = LIST_ITEM(at, struct far_line, node);
            struct far_host *h = find_host(out, n, l->name);
            if (l->away || (!h && n == most))
                continue;
            if (!h) {
                h = &out[n++];
                *h = (struct far_host){.slots = l->slots};
                snprintf(h->name, sizeof h->name, "%s", l->name);
            }
            h->running += l->running;
            h->tasks += l->tasks;
        }
    return n;
}

/* --- time and descriptors --- */

static uint64_t far_due(struct site *s) {
    return far_of(s)->slept = due(far_of(s));
}

static void far_tick(struct site *s, uint64_t now) {
    struct far *f = far_of(s);
    if (!f->ending && now >= tine__far_due(f))
        tine__far_tick(f, now);
}

static bool far_intact(struct site *s) {
    struct far *f = far_of(s);
    bool ours = tine__fd_ours(f->bell) && tine__fd_ours(f->manager);
    for (unsigned i = 0; i < f->nservers && ours; i++)
        ours = f->servers[i].conn.fd == -1 || tine__fd_ours(f->servers[i].conn.fd);
    if (!f->gone && !ours)
        f->lost = f->ending = true;
    return !f->lost;
}

static unsigned far_poll(struct site *s, struct pollfd fds[SITE_FDS]) {
    struct far *f = far_of(s);
    for (unsigned i = 0; i < f->nservers; i++) {
        tine__gm_poll(&f->servers[i].conn, &fds[i]);
        f->servers[i].watched = is_full(&f->servers[i]);
    }
    return f->nservers;
}

static void far_polled(struct site *s, const struct pollfd *fds, unsigned n) {
    struct far *f = far_of(s);
    for (unsigned i = 0; i < n && i < f->nservers; i++) {
        struct far_server *v = &f->servers[i];
        bool opened = false, open = v->conn.fd != -1;
        if (v->conn.fd == fds[i].fd)
            tine__gm_polled(&v->conn, fds[i].revents, &opened);
        if (opened)
            tine__far_greet(f, v);
        if (open && v->conn.fd == -1)
            tine__far_lose_server(f, v);
    }
}

static struct heap *far_heap(struct site *s) {
    return far_of(s)->heap;
}

/* --- open and close --- */

static void far_retire(struct site *s) {
    struct far *f = far_of(s);
    for (unsigned i = 0; i < f->nservers; i++) {
        tine__gm_flush(&f->servers[i].conn);
        tine__gm_close(&f->servers[i].conn);
    }
    tine__close(&f->bell);
    tine__close(&f->directory.fd);
}

static void free_server(struct far *f, struct far_server *v) {
    tine__gm_close(&v->conn);
    tine__far_lose_server(f, v);
}

static void far_close(struct site *s) {
    struct far *f = far_of(s);
    far_retire(s);
    for (unsigned i = 0; i < f->nservers; i++)
        free_server(f, &f->servers[i]);
    while (!list_empty(&f->news))
        free(LIST_ITEM(list_pop(&f->news), struct far_news, node));
    free(f->told);
    while (!list_empty(&f->printing))
        tine__far_free(f, LIST_ITEM(f->printing.next, struct far_sending, prints));
    tine__far_printer_close(f->printer);
    tine__buf_free(&f->plain);
    tine__buf_free(&f->call);
    tine__buf_free(&f->sealed);
    tine__heap_destroy(f->heap);
    tine__shm_close(&f->directory);
    explicit_bzero(&f->o.keys, sizeof f->o.keys);
    free(f);
}

static const struct site_ops far_ops = {
    .give = tine__far_give,
    .flush = far_flush,
    .want_room = far_want_room,
    .taken = far_taken,
    .unsure = far_unsure,
    .progress = far_progress,
    .grant = far_grant,
    .look = far_look,
    .news = far_news,
    .report = far_report,
    .due = far_due,
    .tick = far_tick,
    .poll = far_poll,
    .polled = far_polled,
    .intact = far_intact,
    .heap = far_heap,
    .forget = far_forget,
    .retire = far_retire,
    .close = far_close,
};

/* Each host is asked for a sign of life three times in `lost_after`; with less there would be time
** for nothing else. */
#define LOST_AFTER_LEAST (10u * 1000 * 1000) /* ns */

static void prepare(struct far *f, const struct far_options *o, int manager) {
    f->base.ops = &far_ops;
    f->o = *o;
    if (f->o.lost_after < LOST_AFTER_LEAST)
        f->o.lost_after = LOST_AFTER_LEAST;
    f->directory = SHM_CLOSED;
    f->bell = -1;
    f->manager = manager;
    f->nservers = o->servers.n;
    list_init(&f->news);
    list_init(&f->printing);
    tine__buf_init(&f->plain);
    tine__buf_init(&f->call);
    tine__buf_init(&f->sealed);
    for (unsigned i = 0; i < FAR_BUCKETS; i++)
        list_init(&f->buckets[i]);
    for (unsigned i = 0; i < f->nservers; i++) {
        struct far_server *v = &f->servers[i];
        tine__gm_init(&v->conn, &f->o.servers.list[i]);
        list_init(&v->sendings);
        list_init(&v->unnamed);
        list_init(&v->lines);
    }
    tine__gm_function(o->servers.set, f->function);
}

static int open_parts(struct far *f) {
    int err = tine__shm_create(&f->directory, "tine-heap", HEAP_PAGE);
    struct heap_directory *directory = (struct heap_directory *)f->directory.base;
    if (!err)
        err = tine__heap_create(&f->heap, directory, f->directory.fd, HEAP_PAGE);
    if (!err && (f->bell = tine__fd_event()) == -1)
        err = TINE_ESYSTEM;
    if (!err && !tine__gm_unique(f->id))
        err = TINE_ESYSTEM;
    tine__gm_line_function(f->id, f->line_function);
    return err;
}

int tine__far_open(struct site **out, const struct far_options *o, uint64_t event_buffer,
                   struct wakeup *manager, struct site_bells *bells) {
    *out = NULL;
    struct far *f = sys.calloc(1, sizeof *f);
    if (!f)
        return TINE_ENOMEM;
    prepare(f, o, manager->fd);
    f->event_buffer = event_buffer;
    int err = open_parts(f);
    if (err) {
        int saved = errno;
        far_close(&f->base);
        errno = saved;
        return err;
    }
    bells->waiter = (struct bell){&f->words[0], f->bell};
    bells->manager = (struct bell){&f->words[1], manager->fd};
    tine__far_tick(f, tine__now());
    *out = &f->base;
    return 0;
}
