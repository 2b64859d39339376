/* The fork server of a pool: one process without threads that forks the workers and buries them. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <lauxlib.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/fault.h"
#include "base/map.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/arena.h"
#include "ipc/control.h"
#include "worker/ahead.h"
#include "worker/ask.h"
#include "worker/family.h"
#include "worker/internal.h"
#include "worker/output.h"
#include "worker/prelude.h"
#include "worker/preload.h"
#include "worker/process.h"
#include "worker/state.h"

#define HEAP_PAGE 4096u
#define LEISURE 10    /* ms without anything to do after which what can wait is done */
#define LAST_LOOK 200 /* ms between the end of file and the death that caused it, at most */
#define PATIENCE \
    2000 /* ms that who was killed may take to be gone: one in the kernel's hands may take for ever */
#define NANO 1000000ull

extern char **environ;

struct child {
    uint32_t id;
    pid_t pid;
    bool reaped;
    int status;        /* when reaped */
    uint64_t spent;    /* of the processor, then */
    uint64_t deadline; /* ns; 0: nobody has killed it or what it left */
    struct toll toll;  /* who must be gone before its end is told */
};

#define FEW 8

/* The workers whose end has not been told; everything else that comes to us is an orphan of theirs. A few lie with what
** is written in any case: after a fork each page that is costs a copy. */
static OWN struct {
    struct child *list;
    size_t n, room;
    struct child few[FEW];
} children = {.list = children.few, .room = FEW};

/* --- telling the submitter --- */

static _Noreturn void end(struct server *s);

int tine__server_tell(const struct server *s, const struct message *m, const void *bytes,
                      size_t length) {
    struct pollfd p[2] = {{s->control, POLLOUT, 0}, {s->life, POLLIN, 0}};
    struct buf packet;
    tine__buf_init(&packet);
    int err = buf_append(&packet, m, sizeof *m);
    if (!err && length > 0)
        err = buf_append(&packet, bytes, length);
    while (!err && (err = tine__control_send(s->control, packet.data, packet.len, NULL, 0)) ==
                       TINE_EAGAIN) {
        err = 0;
        if (poll(p, 2, -1) > 0 && p[1].revents)
            break;
    }
    tine__buf_free(&packet);
    return err;
}

/* It reads all the time; when it cannot keep up we wait. What we cannot say it must not miss: then it hears
** the end of file. */
static void tell(struct server *s, const struct message *m) {
    struct pollfd p[2] = {{s->control, POLLOUT, 0}, {s->life, POLLIN, 0}};
    int err;
    while ((err = tine__control_send(s->control, m, sizeof *m, NULL, 0)) == TINE_EAGAIN)
        if (poll(p, 2, -1) > 0 && p[1].revents)
            return;
    if (err && !s->ending) {
        s->mute = true;
        end(s);
    }
}

static void tell_started(struct server *s, uint32_t id, pid_t pid) {
    const struct message m = {.kind = MESSAGE_STARTED, .worker = id, .pid = pid};
    tell(s, &m);
}

static void tell_not_started(struct server *s, uint32_t id, int error) {
    const struct message m = {.kind = MESSAGE_NOSTART, .worker = id, .error = error};
    tell(s, &m);
}

static void refuse(const struct server *s, int err) {
    const struct message m = {.kind = MESSAGE_NOFORK, .error = error_errno(err)};
    const char *text = tine__why_text(m.error);
    tine__server_tell(s, &m, text, strlen(text));
}

/* --- what workers are copies of --- */

static int take_over_streams(struct server *s) {
    if (s->fds[SETUP_STDOUT] == -1)
        return 0;
    if (sys.dup3(s->fds[SETUP_STDOUT], 1, 0) == -1 || sys.dup3(s->fds[SETUP_STDERR], 2, 0) == -1)
        return TINE_ESYSTEM;
    tine__close(&s->fds[SETUP_STDOUT]);
    tine__close(&s->fds[SETUP_STDERR]);
    tine__output_redirected();
    return 0;
}

int tine__server_enter(struct server *s) {
    if (fchdir(s->fds[SETUP_CWD]) == -1) {
        tine__why(errno, "the working directory cannot be entered: %s", strerror(errno));
        return TINE_ESYSTEM;
    }
    tine__close(&s->fds[SETUP_CWD]);
    return 0;
}

/* The call heap is mapped here, once for all workers. */
static int attach_heap(struct server *s) {
    if (!s->directory)
        s->directory = tine__map(s->fds[SETUP_HEAP], 0, HEAP_PAGE, false);
    if (!s->directory)
        return TINE_ESYSTEM;
    return s->heap ? 0 : tine__heap_attach(&s->heap, s->directory, s->fds[SETUP_HEAP], false);
}

static int read_boot(struct server *s) {
    int err = attach_heap(s);
    const void *bytes = err ? NULL : tine__heap_at(s->heap, s->setup.boot, s->setup.length, &err);
    return bytes ? tine__boot_read(&s->boot, bytes, s->setup.length) : err;
}

int tine__server_take_over(struct server *s) {
    if (s->taken)
        return 0;
    int err = take_over_streams(s);
    if (!err && !s->boot.environ) /* it was not read by a try before */
        err = read_boot(s);
    if (!err)
        err = tine__inherit_take(&s->boot.inherit, s->executed);
    if (err)
        return err;
    environ = (char **)s->boot.environ;
    s->taken = true;
    return 0;
}

int tine__server_attach(struct server *s, uint32_t seat) {
    if (s->attached)
        return 0;
    int err = tine__prelude_place(&s->run, &s->boot, s->heap);
    if (!err)
        err = tine__arena_attach(s->fds[SETUP_ARENA], seat);
    s->attached = !err;
    return err;
}

/* Before the first fork. With a worker that was forked ahead this waits until there is a second one to be forked, or
** time. */
static int settle(struct server *s) {
    if (s->settled)
        return 0;
    int err = tine__server_take_over(s);
    tine__fault_role("server"); /* reads the environment, which is the submitter's now */
    if (!err)
        tine__process_title(s->boot.name ? s->boot.name : "", 0);
    s->settled = !err;
    return err;
}

/* Be what the pool's workers are, with the preload done, so that they are copies of it. Without one this is for each of
** them to do: it takes a worker no longer, and the second one need not wait for us. */
static int become_model(struct server *s) {
    int err = tine__server_attach(s, s->setup.seat);
    if (!err)
        err = tine__server_preload(s);
    if (!err)
        tine__process_use_up_heap();
    return err;
}

/* --- workers --- */

static bool has_room(void) {
    if (children.n < children.room)
        return true;
    size_t room = 2 * children.room;
    bool few = children.list == children.few;
    struct child *list = sys.realloc(few ? NULL : children.list, room * sizeof *list);
    if (!list)
        return false;
    if (few)
        memcpy(list, children.few, sizeof children.few);
    children.list = list;
    children.room = room;
    return true;
}

static struct child *find_pid(pid_t pid) {
    for (size_t i = 0; i < children.n; i++)
        if (children.list[i].pid == pid && !children.list[i].reaped)
            return &children.list[i];
    return NULL;
}

/* The pid; -1: errno. */
static pid_t fork_worker(struct server *s, const struct message *m, int link) {
    pid_t parent = getpid();
    int err = settle(s);
    if (err && err != TINE_ENOMEM) { /* it would fail the next time, too */
        refuse(s, err);
        end(s);
    }
    if (err) {
        errno = error_errno(err);
        return -1;
    }
    if (s->forked) /* there are several: what each would do is done once. What fails here they try themselves */
        tine__server_attach(s, s->setup.seat);
    s->forked = true;
    pid_t pid = tine__process_fork();
    if (pid == 0)
        tine__worker_main(s, m->worker, m->seat, link, parent);
    return pid;
}

static void start_worker(struct server *s, const struct message *m, int link) {
    if (!has_room()) {
        tell_not_started(s, m->worker, ENOMEM);
        return;
    }
    pid_t pid = tine__ahead_start(s, m, link);
    if (pid == 0)
        pid = fork_worker(s, m, link);
    if (pid == -1) {
        tell_not_started(s, m->worker, errno);
        return;
    }
    children.list[children.n++] = (struct child){.id = m->worker, .pid = pid};
    tell_started(s, m->worker, pid);
}

static uint64_t now_plus(uint64_t ms) {
    return tine__now() + ms * NANO;
}

/* --- their ends --- */

static bool ignores_term(struct server *s) {
    return tine__server_take_over(s) || inherit_ignores(&s->boot.inherit, SIGTERM);
}

/* Where the program ignores SIGTERM its workers do, too: then only one signal ends them. One that is reaped has
** ended, and the submitter is about to hear. */
static void kill_child(struct server *s, struct child *c, int signal) {
    if (c->reaped)
        return;
    if (signal == SIGKILL || (signal == SIGTERM && ignores_term(s))) {
        tine__family_kill(&c->toll, c->pid, false);
        c->deadline = now_plus(PATIENCE);
    } else {
        tine__family_signal(c->pid, signal);
    }
}

static void kill_workers(struct server *s, uint32_t id, int signal) {
    for (size_t i = 0; i < children.n; i++)
        if (id == 0 || children.list[i].id == id)
            kill_child(s, &children.list[i], signal);
}

/* Its task was asked to end: it is to look. Programs that the task has started have nothing to do with that. */
static void ask_worker(uint32_t id) {
    for (size_t i = 0; i < children.n; i++)
        if (children.list[i].id == id && !children.list[i].reaped)
            kill(children.list[i].pid, ASK_SIGNAL);
}

static bool has_children(void) {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The worker, and who had to go with it, are gone, or will not go (`error`). */
static void tell_end(struct server *s, struct child *c, int error) {
    struct message m = {.kind = MESSAGE_EXITED,
                        .worker = c->id,
                        .pid = c->pid,
                        .status = c->reaped ? c->status : 0,
                        .error = error,
                        .spent = c->spent};
    tine__toll_free(&c->toll);
    *c = children.list[--children.n];
    m.last = s->shut && children.n == 0 && !has_children();
    tell(s, &m);
    if (m.last)
        _exit(0);
}

/* All that were killed have been reaped, by us or by a parent of theirs before it stopped. Those that were begotten
** meanwhile go the same way. */
static bool is_over(struct child *c) {
    if (!c->reaped || tine__toll_look(&c->toll) > 0)
        return false;
    if (c->deadline && has_children())
        tine__family_kill(&c->toll, c->pid, true);
    return c->toll.n == 0;
}

/* A child has ended. What a worker leaves behind goes with it, unless it ended in good order: then what
** runs on was meant to. What it had started is ours by now. */
static void bury(pid_t pid, int status, uint64_t spent) {
    for (size_t i = 0; i < children.n; i++)
        tine__toll_strike(&children.list[i].toll, pid);
    struct child *c = find_pid(pid);
    if (!c)
        return; /* an orphan of a worker */
    c->reaped = true;
    c->status = status;
    c->spent = spent;
    if (!c->deadline && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        c->deadline = now_plus(PATIENCE);
}

static void tell_ends(struct server *s) {
    for (size_t i = children.n; i-- > 0;)
        if (is_over(&children.list[i]))
            tell_end(s, &children.list[i], 0);
}

/* Reap one that has ended, as waitpid does, and see what it has spent of the processor. */
static pid_t reap(int *status, uint64_t *spent) {
    siginfo_t info = {0};
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == -1)
        return -1;
    if (info.si_pid == 0)
        return 0;
    *spent = tine__proc_spent(info.si_pid);
    return waitpid(info.si_pid, status, WNOHANG);
}

static void bury_the_dead(struct server *s) {
    int status;
    uint64_t spent;
    pid_t pid;
    while ((pid = reap(&status, &spent)) > 0) {
        tine__ahead_reaped(s, pid);
        bury(pid, status, spent);
    }
    tell_ends(s);
}

/* Who may not be killed, or does not go though he was, is not waited for. */
static void give_up_late(struct server *s) {
    uint64_t now = tine__now();
    for (size_t i = children.n; i-- > 0;) {
        struct child *c = &children.list[i];
        bool stays = c->toll.refused && c->toll.n == 0 && !c->reaped;
        if (c->deadline && (stays || now >= c->deadline))
            tell_end(s, c, c->toll.refused ? EPERM : EBUSY);
    }
}

/* ms until somebody must be given up; -1: nobody is waited for. */
static int patience_left(void) {
    uint64_t now = tine__now(), next = UINT64_MAX;
    for (size_t i = 0; i < children.n; i++)
        if (children.list[i].deadline && children.list[i].deadline < next)
            next = children.list[i].deadline;
    if (next == UINT64_MAX)
        return -1;
    return next <= now ? 0 : (int)((next - now) / NANO) + 1;
}

/* --- messages --- */

static void hear(struct server *s, const struct message *m, int *link) {
    switch (m->kind) {
    case MESSAGE_START:
        if (*link == -1)
            tell_not_started(s, m->worker, EMFILE);
        else
            start_worker(s, m, *link);
        break;
    case MESSAGE_KILL:
        kill_workers(s, m->worker, m->status);
        break;
    case MESSAGE_ASK:
        ask_worker(m->worker);
        break;
    case MESSAGE_SHUT:
        s->shut = true;
        break;
    case MESSAGE_END:
        s->dismissed = true;
        break;
    }
    tine__close(link);
}

/* All messages there are. False: the submitter has closed its end. */
static bool listen_to(struct server *s) {
    for (;;) {
        struct message m = {0};
        int link = -1, nfds = 1;
        ssize_t n = tine__control_receive(s->control, &m, sizeof m, &link, &nfds);
        if (n == 0)
            return false;
        if (n == TINE_EAGAIN || (n == TINE_ESYSTEM && errno != EMFILE))
            return n == TINE_EAGAIN;
        if (nfds == 0)
            link = -1; /* a message whose descriptor there was no place for still says what it is */
        hear(s, &m, &link);
    }
}

/* --- the end --- */

/* Has the submitter died? The end of file may come an instant before its death can be seen, but not after a
** farewell. */
static bool submitter_is_dead(const struct server *s) {
    struct pollfd p = {s->life, POLLIN, 0};
    return poll(&p, 1, s->shut || s->dismissed ? 0 : LAST_LOOK) > 0;
}

/* The submitter need not wait until the kernel has taken us apart. */
static _Noreturn void leave(const struct server *s) {
    const int code = s->mute ? WORKER_SPEECHLESS : 0;
    const struct message m = {.kind = MESSAGE_GONE, .pid = getpid(), .status = W_EXITCODE(code, 0)};
    tine__control_send(s->control, &m, sizeof m, NULL, 0);
    _exit(code);
}

/* Wait until all of the toll are gone, or will not be in time. Others that end meanwhile are, too. */
static void pay(struct server *s, struct toll *toll, uint64_t deadline) {
    const struct timespec moment = {0, 20000000};
    sigset_t chld;
    int status;
    uint64_t spent;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    while (tine__toll_look(toll) > 0 && tine__now() < deadline) {
        pid_t pid = reap(&status, &spent);
        if (pid == 0)
            sigtimedwait(&chld, NULL, &moment);
        else if (pid == -1)
            break;
        if (pid > 0) {
            tine__toll_strike(toll, pid);
            bury(pid, status, spent);
            tell_ends(s);
        }
    }
}

/* Nobody wants us any more. Workers are killed with all that they started. When there are none left they
** have ended in good order, and programs that still run are left alone, unless the submitter was killed. */
static _Noreturn void end(struct server *s) {
    uint64_t deadline = now_plus(PATIENCE);
    struct toll toll = {0};
    s->ending = true;
    tine__ahead_drop(s);
    bury_the_dead(s);
    if (!has_children() || (children.n == 0 && !submitter_is_dead(s)))
        leave(s);
    kill_workers(s, 0, SIGKILL);
    do {
        tine__family_kill_all(&toll);
        pay(s, &toll, deadline);
    } while (toll.n > 0 && tine__now() < deadline);
    leave(s);
}

/* What cannot be done at leisure is tried again when it must be. */
static _Noreturn void serve(struct server *s, int signals) {
    const struct message up = {.kind = MESSAGE_UP, .pid = getpid()};
    bool unsettled = !s->settled;
    /* as a rule a worker is asked for already: nothing comes before it */
    if (!listen_to(s))
        end(s);
    if (children.n == 0)
        tell(s, &up);
    while (!s->shut || children.n > 0) {
        struct pollfd p[3] = {{s->control, POLLIN, 0}, {s->life, POLLIN, 0}, {signals, POLLIN, 0}};
        int patience = patience_left();
        int n = poll(p, 3, unsettled && patience == -1 ? LEISURE : patience);
        if (n == -1 && errno != EINTR)
            end(s);
        if (n == 0 && unsettled && !s->shut) {
            unsettled = false;
            settle(s);
        }
        if (p[2].revents) {
            tine__process_clear_sigchld(signals);
            bury_the_dead(s);
        }
        if (p[1].revents || (p[0].revents && !listen_to(s)))
            end(s);
        give_up_late(s);
    }
    end(s);
}

/* --- becoming the fork server --- */

int tine__server_receive(struct server *s, enum message_kind kind, struct message *m, int *fds,
                         int n) {
    struct pollfd p[2] = {{s->control, POLLIN, 0}, {s->life, POLLIN, 0}};
    int nfds = n;
    while (poll(p, 2, -1) == -1 && errno == EINTR)
        ;
    if (p[1].revents)
        return TINE_ESHUTDOWN;
    ssize_t size = tine__control_receive(s->control, m, sizeof *m, fds, &nfds);
    if (size == 0)
        return TINE_ESHUTDOWN;
    if (size == sizeof *m && m->kind == kind && nfds == n)
        return 0;
    errno = size < 0 ? errno : EPROTO;
    return TINE_ESYSTEM;
}

/* Until there is a pool. 0; TINE_ESHUTDOWN: there is none to come. */
static int wait_ahead(struct server *s) {
    struct message m;
    int control;
    if (tine__server_receive(s, MESSAGE_OPEN, &m, &control, 1))
        return TINE_ESHUTDOWN;
    tine__close(&s->control);
    s->control = control;
    if (m.preload)
        tine__ahead_drop(s);
    return 0;
}

/* What needs no word from the submitter. */
static void leave_root(struct server *s) {
    int keep[] = {s->control, s->life, s->ahead.socket};
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    tine__family_mark(getpid(), 0);
    tine__fd_keep(keep, 3);
    tine__process_unblock_signals();
}

static int become_server(struct server *s) {
    tine__ahead_set_up(s);
    int err = tine__server_enter(s);
    if (!err && (s->executed || !s->ahead.pid)) /* what was executed may have to refuse */
        err = settle(s);
    return err;
}

_Noreturn void tine__server_main(int control, int life, bool executed, enum server_way way,
                                 const struct run *run) {
    struct server s = {
        .control = control, .life = life, .executed = executed, .run = *run, .ahead = {0, -1}};
    int signals = -1;
    if (way != SERVER_ALONE) /* first of all: it has longer to go */
        tine__ahead_fork(&s);
    leave_root(&s);
    if (way == SERVER_AHEAD)
        tine__process_title("ahead", 0);
    int err = way == SERVER_AHEAD ? wait_ahead(&s) : 0;
    if (!err)
        err = tine__server_receive(&s, MESSAGE_SETUP, &s.setup, s.fds, SETUP_FDS);
    if (err == TINE_ESHUTDOWN)
        end(&s);
    if (!err)
        err = become_server(&s);
    if (!err && s.boot.preload && (err = become_model(&s)) == TINE_ETASK)
        end(&s); /* it has said so itself */
    if (!err && (signals = tine__process_open_sigchld()) == -1)
        err = TINE_ESYSTEM;
    if (err) {
        refuse(&s, err);
        end(&s);
    }
    serve(&s, signals);
}
