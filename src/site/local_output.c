/* What tasks print that is to be captured (worker/divert.h).
**
** A worker makes a pipe for each such task and sends us its reading end. Pipes are read whenever there is something in
** them, by the manager, so that no task ever waits for its output to be read; the last bytes are kept (base/tail.h). When
** its result or loss is about to be reported, or the worker's next task has begun, what is left in the pipe is read. Whoever
** still writes into it after that is a program that the task has left behind: it is read and forgotten until it has closed
** its end, for it would be killed by SIGPIPE if we closed ours. A great many of such pipes are not kept.
*/
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/tail.h"
#include "ipc/control.h"
#include "site/local.h"
#include "site/printer.h"
#include "worker/protocol.h"

#define MOST_LOOSE 128u
#define SCRATCH ((size_t)64 << 10)

struct stream {
    struct list node; /* in a lane, until its task is reported, or in local->loose */
    uint64_t task;
    uint32_t level;
    int fd;        /* -1: it was read to its end */
    bool finished; /* its task has ended: what comes now is forgotten */
    bool loose;    /* and was reported */
    struct tail tail;
};

static struct stream *stream_of(struct list *node) {
    return LIST_ITEM(node, struct stream, node);
}

/* --- opening, closing --- */

int tine__local_open_outputs(struct local *l, int worker_ends[2]) {
    int ends[2];
    struct epoll_event notes = {.events = EPOLLIN};
    l->scratch = sys.malloc(SCRATCH);
    if (!l->scratch)
        return TINE_ENOMEM;
    int err = tine__control_pair(ends);
    if (err)
        return err;
    l->notes = ends[0];
    worker_ends[0] = ends[1];
    if ((err = tine__control_pair(ends)) != 0)
        return err;
    l->prints = ends[0];
    worker_ends[1] = ends[1];
    l->outputs = tine__fd_epoll();
    if (l->outputs == -1 && errno != EPERM && errno != ENOSYS) /* else a pool without captures */
        return TINE_ESYSTEM;
    if (l->outputs != -1 && sys.epoll_ctl(l->outputs, EPOLL_CTL_ADD, l->notes, &notes) == -1)
        return TINE_ESYSTEM;
    return 0;
}

/* Not just closed: a child of the program may have a copy, and then it would stay in the epoll. */
static void close_pipe(struct local *l, struct stream *s) {
    if (s->fd == -1)
        return;
    if (tine__fd_ours(s->fd))
        sys.epoll_ctl(l->outputs, EPOLL_CTL_DEL, s->fd, NULL);
    tine__close(&s->fd);
}

static void free_stream(struct local *l, struct stream *s) {
    close_pipe(l, s);
    list_remove(&s->node);
    l->nloose -= s->loose;
    tine__tail_free(&s->tail);
    free(s);
}

/* It was reported, or will not be: keep it only as long as somebody may write into it. */
static void loosen(struct local *l, struct stream *s) {
    list_remove(&s->node);
    tine__tail_free(&s->tail);
    s->finished = s->loose = true;
    list_push(&l->loose, &s->node);
    l->nloose++;
    if (s->fd == -1)
        free_stream(l, s);
    else if (l->nloose > MOST_LOOSE)
        free_stream(l, stream_of(l->loose.next));
}

void tine__local_told_output(struct local *l) {
    if (l->told)
        loosen(l, l->told);
    l->told = NULL;
}

void tine__local_drop_outputs(struct local *l, struct lane *lane) {
    while (!list_empty(&lane->outputs))
        loosen(l, stream_of(lane->outputs.next));
}

void tine__local_close_outputs(struct local *l) {
    tine__local_told_output(l);
    while (!list_empty(&l->loose))
        free_stream(l, stream_of(l->loose.next));
    tine__close(&l->outputs);
    tine__close(&l->notes);
    tine__printer_close(l->printer);
    l->printer = NULL;
    tine__close(&l->prints);
}

/* --- reading --- */

/* What is there now, but no more than `most`. False: it was read to its end. */
static bool read_pipe(struct local *l, struct stream *s, size_t most) {
    while (s->fd != -1 && most > 0) {
        ssize_t n = -1;
        if (tine__fd_ours(s->fd))
            n = read(s->fd, l->scratch, most < SCRATCH ? most : SCRATCH);
        if (n == -1 && errno == EINTR)
            continue;
        if (n == -1 && errno == EAGAIN)
            return true;
        if (n <= 0)
            return false;
        if (!s->finished)
            tine__tail_append(&s->tail, l->scratch, (size_t)n);
        most -= (size_t)n;
    }
    return s->fd != -1;
}

/* Its task has ended: keep what that has written, and nothing more. */
static void finish(struct local *l, struct stream *s) {
    int left = 0;
    if (s->fd == -1 || s->finished)
        return;
    if (tine__fd_ours(s->fd) && ioctl(s->fd, FIONREAD, &left) == 0 && left > 0)
        read_pipe(l, s, (size_t)left);
    s->finished = true;
    if (!read_pipe(l, s, 1))
        close_pipe(l, s);
}

/* The worker's tasks before, on this level and above, have ended. */
static void begin(struct local *l, struct lane *lane, const struct output_note *note, int fd) {
    struct stream *s = sys.calloc(1, sizeof *s);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    for (struct list *n = lane->outputs.next; n != &lane->outputs; n = n->next)
        if (stream_of(n)->level >= note->level)
            finish(l, stream_of(n));
    if (!s || sys.fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
        sys.epoll_ctl(l->outputs, EPOLL_CTL_ADD, fd, &event) == -1) {
        tine__close(&fd);
        free(s);
        return;
    }
    s->fd = fd;
    s->task = note->task;
    s->level = note->level;
    s->tail = tail_of(note->limit);
    list_push(&lane->outputs, &s->node);
}

/* What workers have begun. */
static void read_notes(struct local *l) {
    struct output_note note;
    for (;;) {
        int fd = -1, nfds = 1;
        ssize_t n = tine__control_receive(l->notes, &note, sizeof note, &fd, &nfds);
        if (n == TINE_EAGAIN || n == 0 || (n < 0 && errno != EMFILE && errno != EMSGSIZE))
            return;
        if (n != sizeof note ||
            nfds != 1) { /* there was no number for it: nobody reads that pipe */
            tine__close(&fd);
            continue;
        }
        struct lane *lane = note.worker <= l->workers ? l->lanes[note.worker] : NULL;
        if (lane)
            begin(l, lane, &note, fd);
        else
            tine__close(&fd);
    }
}

void tine__local_read_outputs(struct local *l) {
    struct epoll_event events[16];
    bool notes = false;
    int n = tine__fd_ours(l->outputs) ? epoll_wait(l->outputs, events, 16, 0) : 0;
    for (int i = 0; i < n; i++) {
        struct stream *s = events[i].data.ptr;
        notes |= !s;
        if (!s || read_pipe(l, s, SCRATCH))
            continue;
        close_pipe(l, s);
        if (s->loose)
            free_stream(l, s);
    }
    if (notes)
        read_notes(l);
}

/* --- reporting --- */

static struct stream *find(const struct lane *lane, uint64_t task) {
    for (struct list *n = lane->outputs.next; n != &lane->outputs; n = n->next)
        if (stream_of(n)->task == task)
            return stream_of(n);
    return NULL;
}

void tine__local_tell_output(struct local *l, struct lane *lane, struct report *r) {
    read_notes(l);
    struct stream *s = find(lane, r->id);
    r->kind = REPORT_OUTPUT;
    r->bytes = "";
    r->length = 0;
    if (!s)
        return; /* it died before it could print, or there were no descriptors */
    finish(l, s);
    r->bytes = tine__tail_bytes(&s->tail);
    r->length = s->tail.length;
    list_remove(&s->node);
    l->told = s;
}
