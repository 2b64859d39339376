/* The fork server of a pool: a process without threads that forks, reaps and reports workers. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/control.h"
#include "worker/fork/ahead.h"
#include "worker/fork/children.h"
#include "worker/fork/preload.h"
#include "worker/fork/server.h"
#include "worker/fork/takeover.h"
#include "worker/process/family.h"
#include "worker/process/process.h"

#define LEISURE 10    /* ms without anything to do, after which postponed work is done */
#define LAST_LOOK 200 /* ms between end of file and the submitter's death that caused it, at most */

/* --- telling the submitter --- */

static _Noreturn void end(struct server *s);

/* Send a message that the submitter must not miss. If that fails, end: the submitter then sees end
** of file. */
static void tell(struct server *s, const struct message *m) {
    if (tine__server_tell(s, m, NULL, 0) && !s->ending) {
        s->mute = true;
        end(s);
    }
}

static void tell_started(struct server *s, uint32_t id, pid_t pid) {
    const struct message m = {
        .kind = MESSAGE_STARTED, .worker = id, .pid = pid, .status = getpid()};
    tell(s, &m);
}

static void tell_not_started(struct server *s, uint32_t id, int error) {
    const struct message m = {.kind = MESSAGE_NOSTART, .worker = id, .error = error};
    tell(s, &m);
}

/* Report a worker's end. With the last worker the fork server ends, too. */
static void tell_end(struct server *s, const struct message *end_of) {
    struct message m = *end_of;
    m.last = s->shut && tine__children_count() == 0 && !tine__children_remain();
    tell(s, &m);
    if (m.last)
        _exit(0);
}

static void refuse(const struct server *s, int err) {
    const struct message m = {.kind = MESSAGE_NOFORK, .error = error_errno(err)};
    const char *text = tine__why_text(m.error);
    tine__server_tell(s, &m, text, strlen(text));
}

/* --- becoming what workers are copies of --- */

/* Take over what workers inherit, before the first fork. With a worker that was forked ahead this
** waits until a second one is wanted, or there is time. */
static int settle(struct server *s) {
    if (s->settled)
        return 0;
    int err = tine__server_take_over(s);
    tine__fault_role("server"); /* reads the environment, which is the submitter's by now */
    if (!err)
        tine__process_title(s->boot.name ? s->boot.name : "", 0);
    s->settled = !err;
    return err;
}

/* Become what the pool's workers are, with the preload done, so that they are copies of
** it. Without a preload each worker does this itself, in the same time, and the second
** one need not wait for us. */
static int become_model(struct server *s) {
    int err = tine__server_attach(s, s->setup.seat);
    if (!err)
        err = tine__server_preload(s);
    if (!err)
        tine__process_use_up_heap();
    return err;
}

/* --- workers --- */

/* Returns the pid; -1: errno. */
static pid_t fork_worker(struct server *s, const struct message *m, int link) {
    pid_t parent = getpid();
    int err = settle(s);
    if (err && err != TINE_ENOMEM) { /* it would fail again */
        refuse(s, err);
        end(s);
    }
    if (err) {
        errno = error_errno(err);
        return -1;
    }
    /* there are several workers: do once what each would do. If it fails, they try themselves */
    if (s->forked)
        tine__server_attach(s, s->setup.seat);
    s->forked = true;
    pid_t pid = tine__process_fork();
    if (pid == 0)
        tine__worker_main(s, m->worker, m->seat, link, parent);
    return pid;
}

static void start_worker(struct server *s, const struct message *m, int link) {
    if (!tine__children_have_room()) {
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
    tine__children_add(m->worker, pid);
    tell_started(s, m->worker, pid);
}

/* --- their ends --- */

/* If the program ignores SIGTERM its workers do, too, and only SIGKILL ends them. */
static bool ignores_term(struct server *s) {
    return tine__server_take_over(s) || inherit_ignores(&s->boot.inherit, SIGTERM);
}

static void kill_workers(struct server *s, uint32_t id, int signal) {
    bool deaf = signal == SIGTERM && ignores_term(s);
    tine__children_kill(id, deaf ? SIGKILL : signal);
}

static void bury_the_dead(struct server *s) {
    pid_t pid;
    while ((pid = tine__children_reap()) > 0)
        tine__ahead_reaped(s, pid);
    tine__children_tell_ends(tell_end, s);
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
        tine__children_ask(m->worker);
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

/* Read all messages. False: the submitter has closed its end. */
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
            link = -1; /* no descriptor could be received, but the message says what it was for */
        hear(s, &m, &link);
    }
}

/* --- the end --- */

/* Has the submitter died? End of file may come an instant before its death can be seen, but not if
** it has said that it will close. */
static bool submitter_is_dead(const struct server *s) {
    struct pollfd p = {s->life, POLLIN, 0};
    return poll(&p, 1, s->shut || s->dismissed ? 0 : LAST_LOOK) > 0;
}

/* Report the end, so that the submitter need not wait until the kernel has torn the process
** down. */
static _Noreturn void leave(const struct server *s) {
    const int code = s->mute ? WORKER_SPEECHLESS : 0;
    const struct message m = {.kind = MESSAGE_GONE, .pid = getpid(), .status = W_EXITCODE(code, 0)};
    tine__control_send(s->control, &m, sizeof m, NULL, 0);
    _exit(code);
}

/* Wait until all processes of the toll are gone, or the deadline has come. Workers that end
** meanwhile are reported. */
static void pay(struct server *s, struct toll *toll, uint64_t deadline) {
    const struct timespec moment = {0, 20000000};
    sigset_t chld;
    sigemptyset(&chld);
    sigaddset(&chld, SIGCHLD);
    sigprocmask(SIG_BLOCK, &chld, NULL);
    while (tine__toll_look(toll) > 0 && tine__now() < deadline) {
        pid_t pid = tine__children_reap();
        if (pid == 0)
            sigtimedwait(&chld, NULL, &moment);
        else if (pid == -1)
            break;
        if (pid > 0) {
            tine__toll_strike(toll, pid);
            tine__children_tell_ends(tell_end, s);
        }
    }
}

/* Nobody needs this fork server any more. Workers are killed with everything they started. If there
** are none left they have ended in good order, and programs that still run are left alone, unless
** the submitter was killed. */
static _Noreturn void end(struct server *s) {
    uint64_t deadline = tine__children_patience();
    struct toll toll = {0};
    s->ending = true;
    tine__ahead_drop(s);
    bury_the_dead(s);
    if (!tine__children_remain() || (tine__children_count() == 0 && !submitter_is_dead(s)))
        leave(s);
    tine__children_kill(0, SIGKILL);
    do {
        tine__family_kill_all(&toll);
        pay(s, &toll, deadline);
    } while (toll.n > 0 && tine__now() < deadline);
    leave(s);
}

/* The main loop. If settling at leisure fails, it is tried again before a worker is forked. */
static _Noreturn void serve(struct server *s, int signals) {
    const struct message up = {.kind = MESSAGE_UP, .pid = getpid()};
    bool unsettled = !s->settled;
    /* mostly a worker was already asked for: its start comes first */
    if (!listen_to(s))
        end(s);
    if (tine__children_count() == 0)
        tell(s, &up);
    while (!s->shut || tine__children_count() > 0) {
        struct pollfd p[3] = {{s->control, POLLIN, 0}, {s->life, POLLIN, 0}, {signals, POLLIN, 0}};
        int patience = tine__children_patience_left();
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
        tine__children_give_up(tell_end, s);
    }
    end(s);
}

/* --- becoming the fork server --- */

/* Wait until there is a pool. 0; TINE_ESHUTDOWN: there will be none. */
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

/* Do everything that does not depend on the submitter. */
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
    if (!err && (s->executed || !s->ahead.pid)) /* after exec it may have to refuse the pool */
        err = settle(s);
    return err;
}

_Noreturn void tine__server_main(int control, int life, bool executed, enum server_way way,
                                 const struct run *run) {
    struct server s = {
        .control = control, .life = life, .executed = executed, .run = *run, .ahead = {0, -1}};
    int signals = -1;
    tine__children_begin();
    if (way != SERVER_ALONE) /* first, since the worker has more to do */
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
        end(&s); /* the submitter was told already */
    if (!err && (signals = tine__process_open_sigchld()) == -1)
        err = TINE_ESYSTEM;
    if (err) {
        refuse(&s, err);
        end(&s);
    }
    serve(&s, signals);
}
