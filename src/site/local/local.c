/* Opening and closing of the local site, its memory, and what to sleep on. */
#include "site/local/local.h"

#include <errno.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/why.h"
#include "site/local/internal.h"
#include "site/local/printer.h"
#include "worker/protocol.h"
#include "worker/root/root.h"

#define HEAP_PAGE 4096u
#define FIRST_REFS 64 /* most pools never need more refs */

static void local_look(struct site *s, unsigned worker, struct site_look *out) {
    struct local *l = local_of(s);
    struct lane *lane = worker <= l->workers ? l->lanes[worker] : NULL;
    *out = (struct site_look){0};
    if (!lane)
        return;
    enum run_state state = tine__link_running(&lane->link, &out->id, &out->since);
    const struct queue_slot *held = state == RUN_IDLE ? tine__queue_held(&l->queue, worker) : NULL;
    /* it may have begun the call in between, and freed its slot only then */
    if (state == RUN_IDLE && !held)
        state = tine__link_running(&lane->link, &out->id, &out->since);
    out->busy = state != RUN_IDLE || held;
    if (state == RUN_IDLE)
        out->id = held ? held->call.id : 0;
    if (state == RUN_IDLE || state == RUN_FINISHED)
        out->since = 0;
}

static void local_release(struct site *s, void *which, uint64_t offset) {
    (void)s;
    struct lane *lane = which;
    tine__heap_release(lane->link.heap, offset);
    tine__lane_unref(lane);
}

/* --- the queue --- */

static void local_flush(struct site *s, uint64_t now) {
    struct local *l = local_of(s);
    if (l->unwoken > 0)
        l->left = tine__queue_announce(&l->queue, l->unwoken, l->left, now);
    l->unwoken = 0;
}

/* A spinning worker to which calls were left may have been stopped before it saw them. */
static void look_after(struct local *l) {
    l->left = tine__queue_ready(&l->queue, 1) > 0 &&
              tine__queue_announce(&l->queue, 0, true, tine__now());
}

static bool local_overdue(struct site *s, bool wake) {
    struct queue *q = &local_of(s)->queue;
    if (!tine__queue_ready(q, 1) || !tine__queue_sleeps(q))
        return false;
    if (wake)
        tine__queue_wake_all(q);
    return true;
}

static bool local_news(struct site *s, bool pressed) {
    struct local *l = local_of(s);
    if (l->gone.kind != REPORT_NONE)
        return tine__printer_over(l->printer);
    if (l->left)
        look_after(l);
    if (l->reading || l->room || l->death.kind != REPORT_NONE || !list_empty(&l->relays) ||
        ((l->farewell || l->silent) && l->control != -1))
        return true;
    for (unsigned w = 1; w <= l->top; w++) {
        const struct lane *lane = l->lanes[w];
        if (lane && !lane->broken &&
            (pressed ? tine__link_pressed(&lane->link) : tine__link_pending(&lane->link)))
            return true;
    }
    return false;
}

static bool local_want_room(struct site *s, unsigned level) {
    return tine__queue_want_low(&local_of(s)->queue, level);
}

static int local_resize(struct site *s, unsigned workers) {
    struct local *l = local_of(s);
    if (workers <= l->workers)
        return 0;
    struct lane **lanes = sys.realloc(l->lanes, (workers + 1) * sizeof(struct lane *));
    if (!lanes)
        return TINE_ENOMEM;
    memset(lanes + l->workers + 1, 0, (workers - l->workers) * sizeof(struct lane *));
    l->lanes = lanes;
    l->workers = workers;
    return 0;
}

static struct heap *local_heap(struct site *s) {
    return local_of(s)->heap;
}

/* --- sleeping --- */

static unsigned local_poll(struct site *s, struct pollfd fds[SITE_FDS]) {
    const struct local *l = local_of(s);
    /* at their end sockets are always readable */
    bool over = l->gone.kind != REPORT_NONE;
    int notes = l->deserted ? -1 : l->notes;
    fds[0] = (struct pollfd){.fd = over ? -1 : l->control, .events = POLLIN};
    if (l->blocked)
        fds[0].events |= POLLOUT;
    fds[1] = (struct pollfd){.fd = l->outputs == -1 ? notes : l->outputs, .events = POLLIN};
    return 2;
}

static bool local_intact(struct site *s) {
    struct local *l = local_of(s);
    if (l->control == -1)
        return true;
    const int fds[] = {l->control, l->directory.fd,
                       l->bell,    tine__fd_ringer(l->bell),
                       l->manager, tine__fd_ringer(l->manager),
                       l->notes,   l->outputs == -1 ? l->notes : l->outputs,
                       l->prints};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        l->lost |= !tine__fd_ours(fds[i]);
    return !l->lost;
}

static void local_polled(struct site *s, const struct pollfd *fds, unsigned n) {
    struct local *l = local_of(s);
    if (n == 0)
        return;
    if (fds[1].revents)
        tine__local_read_outputs(l);
    if (fds[0].revents & ~POLLOUT)
        l->readable = true;
    if (l->blocked && fds[0].revents & POLLOUT && tine__local_send_signals(l)) {
        l->blocked = false;
        l->room = true;
    }
}

#define LOOK 5000000000ull /* ns; the manager wakes as often, whatever happens */

/* Nobody tells of a process that was stopped (SIGSTOP) while others need it. */
static void local_tick(struct site *s, uint64_t now) {
    struct local *l = local_of(s);
    tine__local_dun(l, now);
    if (l->gone.kind != REPORT_NONE && l->printer && now >= l->gone_by) {
        tine__printer_forsake(l->printer);
        l->printer = NULL;
    }
    if (now < l->look_at)
        return;
    tine__root_rouse();
    tine__local_unblock(l);
    l->look_at = now + LOOK;
}

/* --- open and close --- */

/* In a forked child of the program: close our end of the control socket, or the fork server would
** never see the program die. */
static void close_in_child(void *arg) {
    struct local *l = arg;
    tine__close(&l->control);
}

static void local_retire(struct site *s) {
    struct local *l = local_of(s);
    tine__root_unwatch(l->watch);
    l->watch = NULL;
    tine__close(&l->control);
    tine__close(&l->bell);
    tine__close(&l->directory.fd);
    l->reading = NULL;
    for (unsigned w = 1; l->lanes && w <= l->workers; w++)
        if (l->lanes[w])
            tine__local_forget(l, w);
    tine__local_close_outputs(l);
    tine__seat_vacate(l->arena, l->seat);
    tine__arena_put(l->arena);
    l->arena = NULL;
}

static void local_close(struct site *s) {
    struct local *l = local_of(s);
    local_retire(s);
    tine__heap_destroy(l->heap);
    tine__shm_close(&l->directory);
    tine__queue_close(&l->queue);
    free(l->packet);
    free(l->scratch);
    free(l->handed);
    free(l->lanes);
    free(l);
}

static const struct site_ops local_ops = {
    .give = tine__local_give,
    .flush = local_flush,
    .overdue = local_overdue,
    .want_room = local_want_room,
    .taken = tine__local_taken,
    .progress = tine__local_progress,
    .grant = tine__local_grant,
    .written = tine__local_written,
    .look = local_look,
    .inquire = tine__local_inquire,
    .inquired = tine__local_inquired,
    .news = local_news,
    .report = tine__local_report,
    .keep = tine__local_keep,
    .release = local_release,
    .poll = local_poll,
    .polled = local_polled,
    .intact = local_intact,
    .due = tine__local_due,
    .tick = local_tick,
    .post = tine__local_post,
    .read = tine__local_read,
    .resize = local_resize,
    .heap = local_heap,
    .retire = local_retire,
    .close = local_close,
};

static int open_memory(struct local *l) {
    int err = tine__queue_create(&l->queue);
    if (!err)
        err = tine__shm_create(&l->directory, "tine-heap", HEAP_PAGE);
    if (!err)
        err = tine__heap_create(&l->heap, (struct heap_directory *)l->directory.base,
                                l->directory.fd, HEAP_PAGE);
    return err;
}

static int open_directory(void) {
    char path[400];
    int fd = tine__fd_open(".", O_PATH | O_DIRECTORY);
    if (fd == -1 && errno == EACCES)
        tine__why(EACCES, "the working directory \"%s\" may not be searched by uid %d",
                  getcwd(path, sizeof path) ? path : "?", (int)geteuid());
    else if (fd == -1)
        tine__why(errno, "the working directory cannot be opened: %s", strerror(errno));
    return fd;
}

static bool is_open(int fd) {
    return sys.fcntl(fd, F_GETFD, 0) != -1;
}

/* Put the boot block where the fork server and its workers can read it. It stays there. */
static int put_boot(struct local *l, const struct boot *boot, const struct inherit *inherit,
                    uint64_t *offset, uint32_t *length) {
    struct buf bytes;
    tine__buf_init(&bytes);
    int err = tine__boot_write(&bytes, boot, inherit);
    char *block = err ? NULL : tine__heap_alloc(l->heap, bytes.len, offset);
    if (block)
        memcpy(block, bytes.data, bytes.len);
    else if (!err)
        err = TINE_ESYSTEM;
    *length = (uint32_t)bytes.len;
    int saved = errno;
    tine__buf_free(&bytes);
    errno = saved;
    return err;
}

/* Tell the fork server about its pool. All descriptors made here only for passing on
** are closed afterwards. */
static int set_up_server(struct local *l, const struct boot *boot, const struct inherit *inherit) {
    int cwd = -1, null = -1, prints[2] = {-1, -1};
    bool out = is_open(1), error = is_open(2);
    uint64_t place;
    uint32_t length;
    int err = put_boot(l, boot, inherit, &place, &length);
    if (!err)
        err = tine__local_open_outputs(l, prints);
    if (!err &&
        ((cwd = open_directory()) == -1 || (!(out && error) && (null = tine__fd_null()) == -1)))
        err = TINE_ESYSTEM;
    if (!err) {
        const int fds[SETUP_FDS] = {
            [SETUP_CALLS] = l->queue.calls.fd,
            [SETUP_CLAIMS] = l->queue.claims.fd,
            [SETUP_HEAP] = l->directory.fd,
            [SETUP_BELL] = tine__fd_ringer(l->bell),
            [SETUP_WAKEUP] = tine__fd_ringer(l->manager),
            [SETUP_CAPTURE] = prints[0],
            [SETUP_PRINT] = prints[1],
            [SETUP_ARENA] = tine__arena_fd(l->arena),
            [SETUP_CWD] = cwd,
            [SETUP_STDOUT] = out ? 1 : null,
            [SETUP_STDERR] = error ? 2 : null,
        };
        err = tine__root_set_up(l->control, fds, l->seat, place, length);
    }
    int saved = errno;
    tine__close(&cwd);
    tine__close(&null);
    tine__close(&prints[0]);
    tine__close(&prints[1]);
    errno = saved;
    return err;
}

/* The root forks the fork server while this process does the rest. */
static int open_parts(struct local *l, bool spawn, const struct boot *boot) {
    struct inherit inherit;
    l->packet = sys.malloc(MESSAGE_MAX);
    l->handed = sys.calloc(l->nrefs, sizeof *l->handed);
    l->lanes = sys.calloc(l->workers + 1, sizeof(struct lane *));
    if (!l->packet || !l->handed || !l->lanes || !(l->watch = tine__root_watch(close_in_child, l)))
        return TINE_ENOMEM;
    int err = tine__root_open(&l->control, &inherit, spawn, boot->preload != NULL);
    if (!err)
        err = open_memory(l);
    if (!err && (l->bell = tine__fd_event()) == -1)
        err = TINE_ESYSTEM;
    if (!err && !(l->arena = tine__arena_get()))
        err = TINE_ESYSTEM;
    if (err)
        return err;
    l->seat = tine__seat_give(l->arena);
    return set_up_server(l, boot, &inherit);
}

int tine__local_open(struct site **out, unsigned workers, bool spawn, const struct boot *boot,
                     struct wakeup *manager, struct site_bells *bells) {
    *out = NULL;
    struct local *l = sys.calloc(1, sizeof *l);
    if (!l)
        return TINE_ENOMEM;
    l->base.ops = &local_ops;
    l->queue = QUEUE_CLOSED;
    l->directory = SHM_CLOSED;
    l->control = l->bell = l->notes = l->prints = l->outputs = -1;
    list_init(&l->loose);
    list_init(&l->relays);
    l->workers = workers;
    l->nrefs = FIRST_REFS;
    l->cursor = 1;
    l->manager = manager->fd;
    int err = open_parts(l, spawn, boot);
    if (err) {
        int saved = errno;
        local_close(&l->base);
        errno = saved;
        return err;
    }
    /* the files have been passed on; here only the queue's mappings are needed */
    tine__close(&l->queue.calls.fd);
    tine__close(&l->queue.claims.fd);
    bells->waiter = (struct bell){tine__queue_bell(&l->queue, 0), l->bell};
    bells->manager = (struct bell){tine__queue_bell(&l->queue, 1), manager->fd};
    *out = &l->base;
    return 0;
}
