/* Workers of this machine: a fork server behind a control socket, the call queue, and a link to each
** worker (worker/protocol.h, ipc/queue.h, ipc/link.h). */
#include "backend/backend.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/control.h"
#include "worker/protocol.h"
#include "worker/root.h"

#define HEAP_PAGE 4096u

/* A link and who still needs its memory: the worker's place, and each result kept in its heap. */
struct lane {
    struct link link;
    unsigned refs;
    bool broken; /* it said rubbish: nothing more is read from it */
};

struct local {
    struct backend base;
    struct queue queue;
    struct shm directory; /* page 0 of the call heap */
    struct heap *heap;
    int control;   /* -1: the fork server is gone */
    uint32_t step; /* the last thing heard of how far it has come: a message_kind, 0: nothing */
    bool over;     /* it was told to end */
    int bell;      /* event of the waiter's bell */
    struct root_watch *watch;
    char *packet;         /* MESSAGE_MAX bytes: what is just being received */
    unsigned top;         /* no worker above this id was ever started */
    unsigned workers;     /* the highest id */
    struct lane *lanes[]; /* by worker id; NULL: none */
};

static struct local *self(struct backend *b) {
    return (struct local *)b;
}

/* --- lanes --- */

static struct lane *lane_new(void) {
    struct lane *lane = sys.calloc(1, sizeof *lane);
    if (!lane)
        return NULL;
    lane->link = LINK_CLOSED;
    lane->refs = 1;
    if (tine__link_create(&lane->link)) {
        free(lane);
        return NULL;
    }
    return lane;
}

static void lane_unref(struct lane *lane) {
    if (lane && --lane->refs == 0) {
        tine__link_close(&lane->link);
        free(lane);
    }
}

static struct lane *lane_of(struct local *l, unsigned id) {
    assert(id >= 1 && id <= l->workers);
    return l->lanes[id];
}

/* --- starting and ending workers --- */

static int local_start(struct backend *b, unsigned id) {
    struct local *l = self(b);
    assert(!lane_of(l, id));
    struct lane *lane = lane_new();
    if (!lane)
        return errno == ENOMEM ? TINE_ENOMEM : TINE_ESYSTEM;
    struct message m = {.kind = MESSAGE_START, .worker = id};
    int err = tine__control_send(l->control, &m, sizeof m, &lane->link.shm.fd, 1);
    if (err) {
        lane_unref(lane);
        /* gone: the manager will see the end of file and break the pool with the right reason */
        return err == TINE_ESHUTDOWN ? TINE_EAGAIN : err;
    }
    l->lanes[id] = lane;
    if (id > l->top)
        l->top = id;
    return 0;
}

static int local_kill(struct backend *b, unsigned id, int signal) {
    struct message m = {.kind = MESSAGE_KILL, .worker = id, .status = signal};
    int err = tine__control_send(self(b)->control, &m, sizeof m, NULL, 0);
    return err == TINE_EAGAIN ? err : 0; /* gone: its workers are ended with it */
}

static void local_forget(struct backend *b, unsigned id) {
    struct local *l = self(b);
    struct lane *lane = lane_of(l, id);
    l->lanes[id] = NULL;
    /* results kept in its heap are mapped already; the descriptor need not stay for them */
    tine__close(&lane->link.shm.fd);
    lane_unref(lane);
}

/* --- call items --- */

static struct heap *local_heap(struct backend *b) {
    return self(b)->heap;
}

static int local_put(struct backend *b, const struct queue_slot *slot, uint64_t *seq) {
    return tine__queue_put(&self(b)->queue, slot, seq);
}

static void local_wake(struct backend *b, unsigned n) {
    while (n-- > 0 && tine__queue_wake(&self(b)->queue))
        ;
}

static void local_want_low(struct backend *b) {
    tine__queue_want_low(&self(b)->queue);
}

static bool local_withdraw(struct backend *b, uint64_t seq) {
    return tine__queue_withdraw(&self(b)->queue, seq);
}

static bool local_taken(struct backend *b, uint64_t seq) {
    return tine__queue_state(&self(b)->queue, seq) != SLOT_READY;
}

static bool local_freed(struct backend *b, uint64_t seq) {
    return tine__queue_state(&self(b)->queue, seq) == SLOT_FREE;
}

static enum run_state local_running(struct backend *b, unsigned id, uint64_t *task,
                                    uint64_t *started) {
    struct lane *lane = lane_of(self(b), id);
    return lane ? tine__link_running(&lane->link, task, started) : RUN_IDLE;
}

static bool local_condemn(struct backend *b, unsigned id, uint64_t task) {
    struct lane *lane = lane_of(self(b), id);
    return lane && tine__link_condemn(&lane->link, task);
}

static bool local_stop(struct backend *b, unsigned id, uint64_t task, uint32_t count,
                       uint64_t *next) {
    struct lane *lane = lane_of(self(b), id);
    return lane && tine__link_stop(&lane->link, task, count, next);
}

static bool local_reclaim(struct backend *b, unsigned id, uint64_t *seq) {
    return tine__queue_reclaim(&self(b)->queue, id, seq);
}

/* --- results --- */

static bool local_pending(struct backend *b) {
    struct local *l = self(b);
    for (unsigned id = 1; id <= l->top; id++) {
        const struct lane *lane = l->lanes[id];
        if (lane && !lane->broken && tine__link_pending(&lane->link))
            return true;
    }
    return false;
}

static bool local_pressed(struct backend *b) {
    struct local *l = self(b);
    for (unsigned id = 1; id <= l->top; id++) {
        const struct lane *lane = l->lanes[id];
        if (lane && !lane->broken && tine__link_pressed(&lane->link))
            return true;
    }
    return false;
}

static void rubbish(struct lane *lane, unsigned id, const struct backend_sink *sink) {
    lane->broken = true;
    sink->rubbish(sink->arg, id);
}

static void collect_lane(struct lane *lane, unsigned id, const struct backend_sink *sink) {
    struct record head;
    struct result_item r = {.worker = id, .lane = lane};
    while (!lane->broken) {
        int err = tine__link_peek(&lane->link, &head, &r.bytes, &r.length);
        if (err == TINE_EAGAIN)
            return;
        if (err && err != TINE_ESYSTEM) {
            rubbish(lane, id, sink);
            return;
        }
        r.error = err ? errno : 0; /* no memory to map the block: that task's answer is lost */
        r.kind = head.kind;
        r.id = head.id;
        r.ref = head.ref;
        r.large = head.large;
        r.offset = head.large ? tine__link_block(&head, &lane->link) : 0;
        bool keep = false;
        bool sense = sink->result(sink->arg, &r, &keep);
        if (keep)
            lane->refs++;
        else if (r.large && !r.error)
            tine__heap_release(lane->link.heap, r.offset);
        tine__link_next(&lane->link);
        if (!sense)
            rubbish(lane, id, sink);
    }
}

static void local_collect(struct backend *b, const struct backend_sink *sink) {
    struct local *l = self(b);
    for (unsigned id = 1; id <= l->top; id++) {
        struct lane *lane = l->lanes[id];
        if (lane && tine__link_pending(&lane->link))
            collect_lane(lane, id, sink);
    }
}

static void local_release(struct backend *b, void *which, uint64_t offset) {
    (void)b;
    struct lane *lane = which;
    tine__heap_release(lane->link.heap, offset);
    lane_unref(lane);
}

/* --- the fork server --- */

static int local_descriptor(struct backend *b) {
    return self(b)->control;
}

static void not_forked(const struct message *m, const char *bytes, size_t length,
                       const struct backend_sink *sink) {
    char text[512];
    int n = snprintf(text, sizeof text, "cannot start its fork server: %.*s", (int)length, bytes);
    sink->failed(sink->arg, m->error, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

/* In which step, and how. */
static void died(const struct local *l, const struct message *m, const struct backend_sink *sink) {
    const char *step = l->step == MESSAGE_UP           ? ""
                       : l->step == MESSAGE_PRELOADING ? " in its preload"
                                                       : " while it was being set up";
    char text[256];
    int n = snprintf(text, sizeof text, "its fork server (pid %d) died%s: ", m->pid, step);
    size_t left = sizeof text - (size_t)n;
    if (WIFSIGNALED(m->status))
        n += snprintf(text + n, left, "killed by signal %d (%s)", WTERMSIG(m->status),
                      strsignal(WTERMSIG(m->status)));
    else
        n += snprintf(text + n, left, "exit code %d", WEXITSTATUS(m->status));
    sink->failed(sink->arg, ECHILD, text, (size_t)n);
}

static void hear(struct local *l, const struct message *m, const char *bytes, size_t length,
                 const struct backend_sink *sink) {
    bool known = m->worker >= 1 && m->worker <= l->workers && l->lanes[m->worker];
    switch (m->kind) {
    case MESSAGE_UP:
    case MESSAGE_PRELOADING:
        l->step = m->kind;
        break;
    case MESSAGE_NOFORK:
        not_forked(m, bytes, length, sink);
        break;
    case MESSAGE_GONE:
        if (!l->over)
            died(l, m, sink);
        break;
    case MESSAGE_NOPRELOAD:
        sink->failed(sink->arg, 0, bytes, length);
        break;
    case MESSAGE_STARTED:
        if (known)
            sink->started(sink->arg, m->worker, m->pid);
        break;
    case MESSAGE_NOSTART:
        if (known)
            sink->not_started(sink->arg, m->worker, m->error);
        break;
    case MESSAGE_EXITED:
        if (known) {
            /* results before deaths: what it sent still counts */
            collect_lane(l->lanes[m->worker], m->worker, sink);
            sink->exited(sink->arg, m->worker, m->pid, m->status);
        }
        break;
    }
}

static void local_control(struct backend *b, const struct backend_sink *sink) {
    struct local *l = self(b);
    struct message m;
    while (l->control != -1) {
        int nfds = 0;
        ssize_t n = tine__control_receive(l->control, l->packet, MESSAGE_MAX, NULL, &nfds);
        if (n == TINE_EAGAIN)
            return;
        if (n >= (ssize_t)sizeof m)
            memcpy(&m, l->packet, sizeof m);
        /* what was heard last, or of the root, that it has died: its own end of file may come much later */
        if (n <= 0 || (n >= (ssize_t)sizeof m && m.kind == MESSAGE_GONE)) {
            if (n > 0)
                hear(l, &m, l->packet + sizeof m, (size_t)n - sizeof m, sink);
            tine__close(&l->control);
            sink->gone(sink->arg);
            return;
        }
        if ((size_t)n < sizeof m)
            continue;
        hear(l, &m, l->packet + sizeof m, (size_t)n - sizeof m, sink);
    }
}

static void local_shut(struct backend *b) {
    struct local *l = self(b);
    const struct message m = {.kind = MESSAGE_SHUT};
    tine__queue_shut(&l->queue);
    tine__control_send(l->control, &m, sizeof m, NULL, 0); /* saves time; `end` says the same */
}

static void local_end(struct backend *b) {
    struct local *l = self(b);
    const struct message m = {.kind = MESSAGE_END};
    l->over = true;
    tine__control_send(l->control, &m, sizeof m, NULL, 0);
    if (tine__fd_ours(l->control))
        shutdown(l->control, SHUT_WR); /* it reads the end of file, we still hear it out */
}

/* --- open and close --- */

/* In a forked child of the program: it must not hold our ends, or the others would never see us die. */
static void close_in_child(void *arg) {
    struct local *l = arg;
    tine__close(&l->control);
}

static void local_retire(struct backend *b) {
    struct local *l = self(b);
    tine__root_unwatch(l->watch);
    l->watch = NULL;
    tine__close(&l->control);
    tine__close(&l->bell);
    tine__close(&l->directory.fd);
    for (unsigned id = 1; id <= l->workers; id++)
        if (l->lanes[id])
            local_forget(b, id);
}

static void local_close(struct backend *b) {
    struct local *l = self(b);
    local_retire(b);
    tine__heap_destroy(l->heap);
    tine__shm_close(&l->directory);
    tine__queue_close(&l->queue);
    free(l->packet);
    free(l);
}

static const struct backend_ops local_ops = {
    .heap = local_heap,
    .start = local_start,
    .kill = local_kill,
    .forget = local_forget,
    .put = local_put,
    .wake = local_wake,
    .want_low = local_want_low,
    .withdraw = local_withdraw,
    .taken = local_taken,
    .freed = local_freed,
    .running = local_running,
    .condemn = local_condemn,
    .stop = local_stop,
    .reclaim = local_reclaim,
    .pending = local_pending,
    .pressed = local_pressed,
    .collect = local_collect,
    .release = local_release,
    .descriptor = local_descriptor,
    .control = local_control,
    .shut = local_shut,
    .end = local_end,
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

/* A copy of the submitter's own descriptor `fd`, or of /dev/null when it is closed. */
static int standard(int fd) {
    int copy = tine__fd_copy(fd);
    return copy != -1 ? copy : tine__fd_null();
}

static int open_directory(void) {
    char path[512];
    int fd = tine__fd_open(".", O_PATH | O_DIRECTORY);
    if (fd == -1 && errno == EACCES)
        tine__why(EACCES, "the working directory \"%s\" may not be searched by uid %d",
                  getcwd(path, sizeof path) ? path : "?", (int)geteuid());
    else if (fd == -1)
        tine__why(errno, "the working directory cannot be opened: %s", strerror(errno));
    return fd;
}

/* Tell the fork server of its pool. All of the descriptors but the shared ones are closed afterwards. */
static int set_up_server(struct local *l, const struct boot *boot, int wakeup) {
    struct shm boot_shm = SHM_CLOSED;
    int cwd = -1, out = -1, error = -1;
    int err = tine__boot_write(&boot_shm, boot);
    if (!err && ((cwd = open_directory()) == -1 || (out = standard(1)) == -1 ||
                 (error = standard(2)) == -1))
        err = TINE_ESYSTEM;
    if (!err) {
        const int fds[SETUP_FDS] = {
            [SETUP_CALLS] = l->queue.calls.fd,
            [SETUP_CLAIMS] = l->queue.claims.fd,
            [SETUP_HEAP] = l->directory.fd,
            [SETUP_BELL] = tine__fd_ringer(l->bell),
            [SETUP_WAKEUP] = tine__fd_ringer(wakeup),
            [SETUP_BOOT] = boot_shm.fd,
            [SETUP_CWD] = cwd,
            [SETUP_STDOUT] = out,
            [SETUP_STDERR] = error,
        };
        err = tine__root_set_up(l->control, fds);
    }
    int saved = errno;
    tine__close(&cwd);
    tine__close(&out);
    tine__close(&error);
    tine__shm_close(&boot_shm);
    errno = saved;
    return err;
}

/* The root forks while we do the rest. */
static int open_parts(struct local *l, bool spawn, const struct boot *boot, int wakeup) {
    if (!(l->packet = sys.malloc(MESSAGE_MAX)) || !(l->watch = tine__root_watch(close_in_child, l)))
        return TINE_ENOMEM;
    int err = tine__root_open(&l->control, spawn);
    if (!err)
        err = open_memory(l);
    if (!err && (l->bell = tine__fd_event()) == -1)
        err = TINE_ESYSTEM;
    return err ? err : set_up_server(l, boot, wakeup);
}

int tine__local_open(struct backend **out, unsigned workers, bool spawn, const struct boot *boot,
                     struct wakeup *manager, struct backend_bells *bells) {
    *out = NULL;
    struct local *l = sys.calloc(1, sizeof *l + (workers + 1) * sizeof l->lanes[0]);
    if (!l)
        return TINE_ENOMEM;
    l->base.ops = &local_ops;
    l->queue = QUEUE_CLOSED;
    l->directory = SHM_CLOSED;
    l->control = l->bell = -1;
    l->workers = workers;
    int err = open_parts(l, spawn, boot, manager->fd);
    if (err) {
        int saved = errno;
        local_close(&l->base);
        errno = saved;
        return err;
    }
    /* workers have the files by now; we need the call queue's mappings only */
    tine__close(&l->queue.calls.fd);
    tine__close(&l->queue.claims.fd);
    bells->waiter = (struct bell){tine__queue_bell(&l->queue, 0), l->bell};
    bells->manager = (struct bell){tine__queue_bell(&l->queue, 1), manager->fd};
    *out = &l->base;
    return 0;
}
