#include "site/printer.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/list.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "worker/protocol.h"

#define MOST_LOOSE 128u /* jobs that have ended, and into whose pipes somebody may still write */
#define SCRATCH ((size_t)64 << 10)  /* bytes that are read at a time */
#define MOST_LINE ((size_t)1 << 20) /* a longer line is broken */
#define LOOK 5000                   /* ms: so often it looks whether it still has its descriptors */
#define PAGE 4096u                  /* PIPE_BUF: what one write keeps together */

/* One of a task's two streams. */
struct source {
    struct job *job;
    int fd;          /* of its pipe; -1: it was read to its end */
    int to;          /* 1 or 2 */
    struct buf line; /* that is not complete */
};

/* A task. */
struct job {
    struct list node;
    struct source sources[2];
    int done; /* to be closed when all is written; -1: it was */
    bool ended;
    uint64_t task;
    uint32_t worker;
    size_t length;
    char prefix[];
};

struct printer {
    pthread_t thread;
    pthread_mutex_t lock; /* of `over` */
    bool over;
    atomic_bool finish;
    int socket, manager; /* borrowed */
    int epoll;
    struct list jobs;
    unsigned loose;
    size_t used; /* of the page: whole lines for one stream */
    char page[PAGE];
    char packet[sizeof(struct print_note) + PRINT_LABEL];
    char scratch[SCRATCH];
};

/* --- writing --- */

/* Whoever shares the descriptor may have made it non-blocking: then wait for room here. */
static bool may_go_on(int fd) {
    struct pollfd p = {fd, POLLOUT, 0};
    return errno == EINTR || (errno == EAGAIN && (poll(&p, 1, -1) != -1 || errno == EINTR));
}

/* What cannot be written is lost. */
static void write_all(int fd, struct iovec *parts, int n) {
    while (n > 0) {
        ssize_t done = writev(fd, parts, n);
        if (done == -1 && !may_go_on(fd))
            break;
        for (; n > 0 && done >= (ssize_t)parts->iov_len; parts++, n--)
            done -= (ssize_t)parts->iov_len;
        if (n > 0 && done > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
}

static void flush(struct printer *p, int fd) {
    struct iovec all = {p->page, p->used};
    if (p->used > 0)
        write_all(fd, &all, 1);
    p->used = 0;
}

static void gather(struct printer *p, const char *bytes, size_t n) {
    memcpy(p->page + p->used, bytes, n);
    p->used += n;
}

/* A line, which is `text` and `end`. */
static void print(struct printer *p, const struct source *s, const char *text, size_t n,
                  const char *end) {
    const struct job *job = s->job;
    size_t all = job->length + n + strlen(end);
    if (all > PAGE - p->used)
        flush(p, s->to);
    if (all > PAGE) {
        struct iovec parts[] = {
            {(char *)job->prefix, job->length}, {(char *)text, n}, {(char *)end, strlen(end)}};
        write_all(s->to, parts, 3);
        return;
    }
    gather(p, job->prefix, job->length);
    gather(p, text, n);
    gather(p, end, strlen(end));
}

/* --- lines --- */

/* What there is of a line is to be one. */
static void end_line(struct printer *p, struct source *s) {
    if (s->line.len > 0)
        print(p, s, s->line.data, s->line.len, "\n");
    tine__buf_free(&s->line);
}

/* The beginning or the middle of a line. */
static void keep(struct printer *p, struct source *s, const char *text, size_t n) {
    if (s->line.len + n <= MOST_LINE && buf_append(&s->line, text, n) == 0)
        return;
    end_line(p, s);
    if (buf_append(&s->line, text, n))
        print(p, s, text, n, "\n"); /* no memory to wait for the rest */
}

static void take_lines(struct printer *p, struct source *s, const char *text, size_t n) {
    const char *end = text + n, *newline;
    while (text < end && (newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        size_t length = (size_t)(newline - text);
        if (s->line.len == 0)
            print(p, s, text, length, "\n");
        else
            keep(p, s, text, length);
        end_line(p, s);
        text = newline + 1;
    }
    if (text < end)
        keep(p, s, text, (size_t)(end - text));
}

/* --- reading --- */

/* What is there now, but no more than `most`. False: it was read to its end. */
static bool read_source(struct printer *p, struct source *s, size_t most) {
    bool open = s->fd != -1;
    while (open && most > 0) {
        ssize_t n = -1;
        if (tine__fd_ours(s->fd))
            n = read(s->fd, p->scratch, most < SCRATCH ? most : SCRATCH);
        if (n == -1 && errno == EAGAIN)
            break;
        if (n == -1 && errno == EINTR)
            continue;
        open = n > 0;
        if (open && !s->job->ended)
            take_lines(p, s, p->scratch, (size_t)n);
        most -= open ? (size_t)n : 0;
    }
    if (!open)
        end_line(p, s);
    flush(p, s->to);
    return open;
}

/* Not just closed: a child of the program may have a copy, and then it would stay in the epoll. */
static void close_source(struct printer *p, struct source *s) {
    if (s->fd != -1 && tine__fd_ours(s->fd))
        sys.epoll_ctl(p->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    tine__close(&s->fd);
}

/* --- jobs --- */

static void free_job(struct printer *p, struct job *job) {
    for (int i = 0; i < 2; i++) {
        close_source(p, &job->sources[i]);
        tine__buf_free(&job->sources[i].line);
    }
    tine__close(&job->done);
    list_remove(&job->node);
    p->loose -= job->ended;
    free(job);
}

static struct job *oldest_loose(struct printer *p) {
    for (struct list *n = p->jobs.next; n != &p->jobs; n = n->next)
        if (LIST_ITEM(n, struct job, node)->ended)
            return LIST_ITEM(n, struct job, node);
    return NULL;
}

/* Its task has ended: write what that has printed, and nothing more. Programs that it has left behind go on writing, for
** nobody: they would be killed by SIGPIPE if we closed our ends. */
static void end_job(struct printer *p, struct job *job) {
    for (int i = 0; i < 2; i++) {
        struct source *s = &job->sources[i];
        int left = 0;
        if (s->fd != -1 && tine__fd_ours(s->fd) && ioctl(s->fd, FIONREAD, &left) == 0 && left > 0)
            read_source(p, s, (size_t)left);
        end_line(p, s);
        flush(p, s->to);
    }
    job->ended = true;
    p->loose++;
    tine__close(&job->done);
    for (int i = 0; i < 2; i++)
        if (!read_source(p, &job->sources[i], 1))
            close_source(p, &job->sources[i]);
    if (job->sources[0].fd == -1 && job->sources[1].fd == -1)
        free_job(p, job);
    else if (p->loose > MOST_LOOSE)
        free_job(p, oldest_loose(p));
}

static void close_all(int *fds, int n) {
    for (int i = 0; i < n; i++)
        tine__close(&fds[i]);
}

static bool open_source(struct printer *p, struct job *job, int i, int fd) {
    struct source *s = &job->sources[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    *s = (struct source){.job = job, .fd = fd, .to = i + 1};
    tine__buf_init(&s->line);
    return sys.fcntl(fd, F_SETFL, O_NONBLOCK) != -1 &&
           sys.epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) != -1;
}

static void begin_job(struct printer *p, const struct print_note *note, const char *label,
                      size_t length, int fds[3]) {
    struct job *job = sys.malloc(sizeof *job + length + 3);
    if (!job) {
        close_all(fds, 3);
        return;
    }
    *job = (struct job){.done = fds[2], .task = note->task, .worker = note->worker};
    job->prefix[0] = '[';
    memcpy(job->prefix + 1, label, length);
    memcpy(job->prefix + 1 + length, "] ", 2);
    job->length = length + 3;
    list_push(&p->jobs, &job->node);
    bool out = open_source(p, job, 0, fds[0]), error = open_source(p, job, 1, fds[1]);
    if (!out || !error)
        free_job(p, job);
}

static void end_task(struct printer *p, const struct print_note *note) {
    for (struct list *n = p->jobs.next; n != &p->jobs; n = n->next) {
        struct job *job = LIST_ITEM(n, struct job, node);
        if (job->worker == note->worker && job->task == note->task && !job->ended) {
            end_job(p, job);
            return;
        }
    }
}

/* --- the thread --- */

/* What workers have to say. False: nothing will come any more. */
static bool read_notes(struct printer *p) {
    struct print_note note;
    for (;;) {
        int fds[CONTROL_FDS], nfds = 3;
        ssize_t n = tine__control_receive(p->socket, p->packet, sizeof p->packet, fds, &nfds);
        if (n == TINE_EAGAIN)
            return true;
        if (n < 0 && (errno == EMFILE || errno == EMSGSIZE))
            continue; /* there were no numbers for them: its worker sees that they are closed */
        if (n <= 0)
            return false;
        memcpy(&note, p->packet, sizeof note);
        if (nfds == 3 && (size_t)n >= sizeof note)
            begin_job(p, &note, p->packet + sizeof note, (size_t)n - sizeof note, fds);
        else if (nfds == 0 && (size_t)n == sizeof note)
            end_task(p, &note);
        else
            close_all(fds, nfds);
    }
}

static void read_event(struct printer *p, struct source *s) {
    struct job *job = s->job;
    if (read_source(p, s, SCRATCH))
        return;
    close_source(p, s);
    if (job->sources[0].fd == -1 && job->sources[1].fd == -1)
        free_job(p, job);
}

static bool turn(struct printer *p) {
    struct epoll_event events[16];
    bool notes = false;
    if (!tine__fd_ours(p->epoll) || !tine__fd_ours(p->socket))
        return false;
    int n = epoll_wait(p->epoll, events, 16, LOOK);
    if (n == 0 && atomic_load(&p->finish))
        return false;
    for (int i = 0; i < n; i++) {
        notes |= !events[i].data.ptr;
        if (events[i].data.ptr)
            read_event(p, events[i].data.ptr);
    }
    return !notes || read_notes(p);
}

static void *run(void *arg) {
    struct printer *p = arg;
    while (turn(p))
        ;
    while (!list_empty(&p->jobs)) {
        struct job *job = LIST_ITEM(p->jobs.next, struct job, node);
        if (!job->ended)
            end_job(p, job);
        else
            free_job(p, job);
    }
    pthread_mutex_lock(&p->lock);
    p->over = true;
    tine__fd_ring(p->manager); /* while it cannot be looked at: it will be closed then */
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* --- from outside --- */

static void free_printer(struct printer *p) {
    tine__close(&p->epoll);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static int start_thread(struct printer *p) {
    struct epoll_event notes = {.events = EPOLLIN};
    sigset_t all, old;
    if ((p->epoll = tine__fd_epoll()) == -1 ||
        sys.epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->socket, &notes) == -1)
        return TINE_ESYSTEM;
    sigfillset(&all); /* they are for the program's own threads; SIGPIPE becomes an error */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = sys.thread_create(&p->thread, NULL, run, p);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = error;
    return error ? TINE_ESYSTEM : 0;
}

int tine__printer_start(struct printer **out, int socket, int manager) {
    struct printer *p = sys.calloc(1, sizeof *p);
    if (!p)
        return TINE_ENOMEM;
    p->socket = socket;
    p->manager = manager;
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->jobs);
    int err = start_thread(p);
    if (err)
        free_printer(p);
    else
        *out = p;
    return err;
}

void tine__printer_finish(struct printer *p) {
    atomic_store(&p->finish, true);
    if (tine__fd_ours(p->socket))
        shutdown(p->socket, SHUT_RDWR);
}

bool tine__printer_over(struct printer *p) {
    pthread_mutex_lock(&p->lock);
    bool over = p->over;
    pthread_mutex_unlock(&p->lock);
    return over;
}

void tine__printer_close(struct printer *p) {
    if (!p)
        return;
    pthread_join(p->thread, NULL);
    free_printer(p);
}
