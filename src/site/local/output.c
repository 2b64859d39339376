/* Output of tasks that is captured or relayed (worker/task/divert.h).
**
** For each such task the worker makes a pipe and sends its reading end. The manager reads the pipes
** whenever there is something in them, so no task ever waits for its output to be read; the last
** bytes are kept (base/tail.h). When the task's result or loss is about to be reported, or the
** worker's next task has begun, the rest in the pipe is read. After that only programs that the
** task left behind can still write into it. Their output is read and dropped until they close their
** end: if this side closed its own, SIGPIPE would kill them. The number of such pipes is limited.
**
** Relayed output comes through two pipes and is reported piece by piece (relay.c). While too much
** of it is unwritten, the pipes are not read.
*/
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/error.h"
#include "base/sys.h"
#include "base/tail.h"
#include "ipc/control.h"
#include "site/local/internal.h"
#include "site/local/printer.h"
#include "worker/protocol.h"
#include "worker/root/root.h"

#define MOST_LOOSE 128u
#define SCRATCH ((size_t)64 << 10)

struct stream {
    struct list node; /* in lane->outputs until its task is reported, then in local->loose */
    uint64_t task;
    uint32_t level;
    int fd;        /* -1: closed at end of file */
    bool finished; /* its task has ended: what comes now is dropped */
    bool loose;    /* finished, and reported */
    struct tail tail;
    int to;              /* relayed: 1 or 2, the stream; 0: captured */
    bool paused;         /* relayed, and not in the epoll now */
    struct report where; /* worker, ref and id for its reports */
    size_t length;
    char label[]; /* relayed: reported before the first byte of either stream; `length` bytes */
};

static struct stream *stream_of(struct list *node) {
    return LIST_ITEM(node, struct stream, node);
}

/* --- opening, closing --- */

int tine__local_open_outputs(struct local *l, int worker_ends[2]) {
    int ends[2];
    int err = tine__control_pair(ends);
    if (err)
        return err;
    l->notes = ends[0];
    worker_ends[0] = ends[1];
    if ((err = tine__control_pair(ends)) != 0)
        return err;
    l->prints = ends[0];
    worker_ends[1] = ends[1];
    return 0;
}

/* Make what the first stream needs; most pools have none. Without an epoll no stream is read. */
static bool get_ready(struct local *l) {
    struct epoll_event notes = {.events = EPOLLIN};
    if (!l->scratch && !(l->scratch = sys.malloc(SCRATCH)))
        return false;
    if (l->outputs != -1)
        return true;
    l->outputs = tine__fd_epoll();
    if (l->outputs != -1 && sys.epoll_ctl(l->outputs, EPOLL_CTL_ADD, l->notes, &notes) == -1)
        tine__close(&l->outputs);
    if (l->outputs == -1)
        return false;
    tine__fd_ring(l->manager); /* the manager may be asleep, polling the notes alone */
    return true;
}

/* Removed from the epoll explicitly: a child of the program may have a copy of the descriptor, and
** closing ours would leave it in. */
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

static void watch(struct local *l, struct stream *s, bool on) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (s->fd == -1 || s->paused == !on || !tine__fd_ours(s->fd))
        return;
    if (sys.epoll_ctl(l->outputs, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->fd, &event) == 0)
        s->paused = !on;
}

/* The stream was reported, or will not be: keep it only as long as somebody may write into it. */
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
    tine__local_close_relays(l);
    while (!list_empty(&l->loose))
        free_stream(l, stream_of(l->loose.next));
    tine__close(&l->outputs);
    tine__close(&l->notes);
    tine__printer_close(l->printer);
    l->printer = NULL;
    tine__close(&l->prints);
}

/* --- reading --- */

/* Report what was just read. */
static void relay(struct local *l, struct stream *s, size_t n) {
    uint64_t *labelled = &l->handed[s->where.ref].labelled;
    if (*labelled != s->task)
        tine__local_relay(l, &s->where, 0, s->label, s->length);
    *labelled = s->task;
    tine__local_relay(l, &s->where, s->to, l->scratch, n);
}

/* Read what is in the pipe now, at most `most` bytes. False: end of file. */
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
        if (!s->finished && s->to)
            relay(l, s, (size_t)n);
        else if (!s->finished)
            tine__tail_append(&s->tail, l->scratch, (size_t)n);
        most -= (size_t)n;
    }
    return s->fd != -1;
}

/* The task has ended: keep what it has written so far, and drop everything after that. */
static void finish(struct local *l, struct stream *s) {
    int left = 0;
    if (s->fd == -1 || s->finished)
        return;
    if (tine__fd_ours(s->fd) && ioctl(s->fd, FIONREAD, &left) == 0 && left > 0)
        read_pipe(l, s, (size_t)left);
    s->finished = true;
    watch(l, s, true);
    if (!read_pipe(l, s, 1))
        close_pipe(l, s);
}

/* NULL: the stream cannot be read; `fd` is closed. */
static struct stream *open_stream(struct local *l, struct lane *lane,
                                  const struct output_note *note, const char *label, size_t length,
                                  int fd) {
    struct stream *s = get_ready(l) ? sys.calloc(1, sizeof *s + length) : NULL;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    if (!s || sys.fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
        sys.epoll_ctl(l->outputs, EPOLL_CTL_ADD, fd, &event) == -1) {
        tine__close(&fd);
        free(s);
        return NULL;
    }
    s->fd = fd;
    s->task = note->task;
    s->level = note->level;
    s->tail = tail_of(note->limit);
    s->where = (struct report){.worker = note->worker, .ref = note->ref, .id = note->task};
    s->length = length;
    memcpy(s->label, label, length);
    list_push(&lane->outputs, &s->node);
    return s;
}

/* Is the note about a call that this site has? */
static bool is_known(const struct local *l, const struct output_note *note) {
    const struct handed *h = note->ref < l->nrefs ? &l->handed[note->ref] : NULL;
    return h && h->seq && note->task - h->id < h->count;
}

/* A task has begun, so the worker's earlier tasks on this level and above have ended. */
static void begin(struct local *l, const struct output_note *note, const char *label, size_t length,
                  int fds[2]) {
    struct lane *lane = note->worker <= l->workers ? l->lanes[note->worker] : NULL;
    bool ok = lane && (!note->relayed || is_known(l, note));
    for (struct list *n = ok ? lane->outputs.next : NULL; ok && n != &lane->outputs; n = n->next)
        if (stream_of(n)->level >= note->level)
            finish(l, stream_of(n));
    if (!ok) {
        tine__close(&fds[0]);
        tine__close(&fds[1]);
        return;
    }
    for (int i = 0; i < 2 && fds[i] != -1; i++) {
        struct stream *s = open_stream(l, lane, note, label, length, fds[i]);
        if (s && note->relayed)
            s->to = i + 1;
    }
}

/* The fork server and all workers are dead. The root is to tell that, if nobody has stopped it. */
static void end_notes(struct local *l) {
    l->deserted = true;
    if (l->outputs != -1 && tine__fd_ours(l->outputs))
        sys.epoll_ctl(l->outputs, EPOLL_CTL_DEL, l->notes, NULL);
    tine__root_rouse();
}

/* Read the notes about tasks that workers have begun. */
static void read_notes(struct local *l) {
    struct {
        struct output_note note;
        char label[PRINT_LABEL];
    } packet;
    while (!l->deserted) {
        int fds[2] = {-1, -1}, nfds = 2;
        ssize_t n = tine__control_receive(l->notes, &packet, sizeof packet, fds, &nfds);
        if (n == 0)
            end_notes(l);
        if (n == TINE_EAGAIN || n == 0 || (n < 0 && errno != EMFILE && errno != EMSGSIZE))
            return;
        size_t head = sizeof packet.note;
        if (n >= (ssize_t)head && nfds == (packet.note.relayed ? 2 : 1)) {
            begin(l, &packet.note, packet.label, (size_t)n - head, fds);
        } else { /* no descriptor could be received: nobody reads that pipe */
            tine__close(&fds[0]);
            tine__close(&fds[1]);
        }
    }
}

void tine__local_read_outputs(struct local *l) {
    struct epoll_event events[16];
    bool notes = l->outputs == -1;
    int n = tine__fd_ours(l->outputs) ? epoll_wait(l->outputs, events, 16, 0) : 0;
    for (int i = 0; i < n; i++) {
        struct stream *s = events[i].data.ptr;
        notes |= !s;
        bool open = !s || read_pipe(l, s, SCRATCH);
        if (s && open && s->to && !s->finished && tine__local_is_full(l, s->where.ref))
            watch(l, s, false);
        if (open)
            continue;
        close_pipe(l, s);
        if (s->loose)
            free_stream(l, s);
    }
    if (notes)
        read_notes(l);
}

/* Read the pipes of this call again. */
static void go_on(struct local *l, uint32_t ref) {
    for (unsigned w = 1; w <= l->top; w++)
        for (struct list *n = l->lanes[w] ? l->lanes[w]->outputs.next : NULL;
             n && n != &l->lanes[w]->outputs; n = n->next)
            if (stream_of(n)->to && stream_of(n)->where.ref == ref)
                watch(l, stream_of(n), true);
}

void tine__local_written(struct site *s, uint32_t ref, uint64_t bytes) {
    struct local *l = local_of(s);
    if (ref >= l->nrefs)
        return;
    uint64_t *unwritten = &l->handed[ref].unwritten;
    bool full = tine__local_is_full(l, ref);
    *unwritten -= bytes < *unwritten ? bytes : *unwritten;
    if (full && !tine__local_is_full(l, ref))
        go_on(l, ref);
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
        return; /* its worker died before it could print, or there were no descriptors */
    finish(l, s);
    r->bytes = tine__tail_bytes(&s->tail);
    r->length = s->tail.length;
    list_remove(&s->node);
    l->told = s;
}

void tine__local_finish_output(struct local *l, struct lane *lane, uint64_t task) {
    struct stream *s;
    read_notes(l);
    while ((s = find(lane, task)) != NULL) {
        finish(l, s);
        loosen(l, s);
    }
}
