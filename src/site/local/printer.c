#include "site/local/printer.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include "base/error.h"
#include "base/list.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "site/hand.h"
#include "site/lines.h"
#include "worker/protocol.h"

/* most jobs that have ended and into whose pipes somebody may still write */
#define MOST_LOOSE 128u
#define SCRATCH ((size_t)64 << 10) /* bytes read at a time */
#define LOOK 5000                  /* ms between two checks that the descriptors are still ours */

/* One output stream of a task. */
struct source {
    struct job *job;
    int fd; /* reading end of its pipe; -1: closed at end of file */
    struct lines lines;
};

/* A task with a prefix. */
struct job {
    struct list node;
    struct source sources[2];
    int done; /* closed when all is written, for which the worker waits; -1: closed */
    bool ended;
    uint64_t task;
    uint32_t worker;
    char prefix[];
};

struct printer {
    struct hand hand;
    atomic_bool finish;
    int socket; /* a copy, since the thread may outlive the site */
    int epoll;
    struct list jobs;
    unsigned loose;
    struct page page;
    char packet[sizeof(struct print_note) + PRINT_LABEL];
    char scratch[SCRATCH];
};

/* --- reading --- */

/* Read what is in the pipe now, at most `most` bytes. False: end of file. */
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
            tine__lines_add(&p->page, &s->lines, p->scratch, (size_t)n);
        most -= open ? (size_t)n : 0;
    }
    if (!open)
        tine__lines_end(&p->page, &s->lines);
    tine__page_flush(&p->page);
    return open;
}

/* Removed from the epoll explicitly: a child of the program may have a copy of the descriptor, and
** closing ours would leave it in. */
static void close_source(struct printer *p, struct source *s) {
    if (s->fd != -1 && tine__fd_ours(s->fd))
        sys.epoll_ctl(p->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    tine__close(&s->fd);
}

/* --- jobs --- */

static void free_job(struct printer *p, struct job *job) {
    for (int i = 0; i < 2; i++) {
        close_source(p, &job->sources[i]);
        tine__buf_free(&job->sources[i].lines.line);
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

/* The task has ended: write what it has printed, and nothing after that. Programs that it left
** behind may go on writing; their output is read and dropped, since SIGPIPE would kill them if this
** side closed its ends. */
static void end_job(struct printer *p, struct job *job) {
    for (int i = 0; i < 2; i++) {
        struct source *s = &job->sources[i];
        int left = 0;
        if (s->fd != -1 && tine__fd_ours(s->fd) && ioctl(s->fd, FIONREAD, &left) == 0 && left > 0)
            read_source(p, s, (size_t)left);
        tine__lines_end(&p->page, &s->lines);
        tine__page_flush(&p->page);
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

static bool open_source(struct printer *p, struct job *job, int i, int fd, size_t length) {
    struct source *s = &job->sources[i];
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
    *s = (struct source){.job = job, .fd = fd};
    tine__lines_init(&s->lines, i + 1, job->prefix, length);
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
    tine__lines_prefix(job->prefix, label, length);
    list_push(&p->jobs, &job->node);
    bool out = open_source(p, job, 0, fds[0], length + 3);
    bool error = open_source(p, job, 1, fds[1], length + 3);
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

static void free_printer(struct printer *p) {
    tine__close(&p->epoll);
    tine__close(&p->socket);
    tine__hand_free(&p->hand);
    free(p);
}

/* Read the workers' notes. False: nothing will come any more. */
static bool read_notes(struct printer *p) {
    struct print_note note;
    for (;;) {
        int fds[CONTROL_FDS], nfds = 3;
        ssize_t n = tine__control_receive(p->socket, p->packet, sizeof p->packet, fds, &nfds);
        if (n == TINE_EAGAIN)
            return true;
        if (n < 0 && (errno == EMFILE || errno == EMSGSIZE))
            continue; /* no descriptors could be received; the worker sees that they are closed */
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
    if (tine__hand_ends(&p->hand))
        free_printer(p);
    return NULL;
}

/* --- the site's side --- */

static int start_thread(struct printer *p) {
    struct epoll_event notes = {.events = EPOLLIN};
    if ((p->epoll = tine__fd_epoll()) == -1 ||
        sys.epoll_ctl(p->epoll, EPOLL_CTL_ADD, p->socket, &notes) == -1)
        return TINE_ESYSTEM;
    return tine__hand_start(&p->hand, run, p);
}

int tine__printer_start(struct printer **out, int socket, int manager) {
    struct printer *p = sys.calloc(1, sizeof *p);
    if (!p)
        return TINE_ENOMEM;
    p->socket = tine__fd_copy(socket);
    p->epoll = -1;
    tine__hand_init(&p->hand, manager);
    list_init(&p->jobs);
    int err = p->socket == -1 ? TINE_ESYSTEM : start_thread(p);
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
    return !p || tine__hand_is_over(&p->hand);
}

void tine__printer_forsake(struct printer *p) {
    if (!tine__hand_forsake(&p->hand))
        tine__printer_close(p);
}

void tine__printer_close(struct printer *p) {
    if (!p)
        return;
    tine__hand_join(&p->hand);
    free_printer(p);
}
