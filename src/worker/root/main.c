/* The root process, from its fork to the end of the program. */
#include "worker/root/main.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/control.h"
#include "worker/boot.h"
#include "worker/fork/server.h"
#include "worker/process/family.h"
#include "worker/process/output.h"
#include "worker/process/process.h"
#include "worker/root/root.h"
#include "worker/state/state.h"
#include "worker/task/prelude.h"

#define MS 1000000ull /* ns */
/* a pool is expected within this time; then the fork server forked ahead of it is given up */
#define SOON (250 * MS)
/* a fork server must have ended so long after its pool has; killing the workers takes it two
** seconds at most */
#define PATIENCE (5000 * MS)
#define NEVER UINT64_MAX

/* A pool's fork server, and our copy of its end of the control socket, over which the
** root reports its death, and sees that the pool has ended. */
struct ward {
    pid_t pid;
    int control;  /* -1: none, it was forked ahead for nothing */
    uint64_t due; /* when it is killed, since it should have ended by then; NEVER: it has a pool */
};

enum { POLL_SOCKET, POLL_LIFE, POLL_SIGNALS, FIXED };

struct root {
    int socket;  /* -1: the program has dropped us, or has died */
    int life;    /* -1: it has died */
    int signals; /* descriptor that is readable after SIGCHLD; -1: none */
    bool executed;
    int error;              /* errno: why it can do nothing but refuse; 0: it works */
    struct run run;         /* the state that workers are copies of; L is NULL: no memory for it */
    struct alloc allocator; /* of L, and so of all its copies */
    struct ward *wards;
    struct pollfd *polls; /* FIXED, and one for each ward; NULL: none yet, `few` will do */
    struct pollfd few[FIXED];
    size_t n, room;
    struct ahead ahead; /* the fork server for the next pool */
    uint64_t due;       /* when to fork that, or to give it up; ns */
};

/* --- becoming the root --- */

/* Have as many descriptors as possible, since each pool needs one. Fork servers restore the
** program's limit. */
static void raise_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == -1)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

static int take_over(struct root *r) {
    int keep[] = {r->socket, r->life};
    tine__process_signals_server();
    if (tine__fd_keep(keep, 2))
        return TINE_ESYSTEM;
    int err = tine__process_null();
    if (!err)
        err = tine__process_own_exit();
    if (!err && (r->signals = tine__process_open_sigchld()) == -1)
        err = TINE_ESYSTEM;
    return err;
}

static bool make_state(struct root *r) {
    lua_State *L = tine__state_new(&r->allocator, true);
    if (L && tine__prelude_open(&r->run, L)) {
        lua_close(L);
        r->run.L = NULL;
    }
    return r->run.L;
}

void tine__root_introduce(int socket, pid_t root) {
    const struct message m = {.kind = MESSAGE_ROOT, .pid = root};
    int self = tine__fd_pidfd(root);
    if (self != -1)
        tine__control_send(socket, &m, sizeof m, &self, 1);
    tine__close(&self);
}

static void become_root(struct root *r) {
    tine__fault_role("root");
    tine__root_reset();
    if (take_over(r) || tine__root_heed_forks()) /* for children of tasks */
        r->error = errno;
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    raise_limit();
    tine__inherit_start();
    tine__process_title("root", 0);
    if (chdir("/") == -1)
        errno = 0;       /* it then keeps a directory busy, no more */
    tine__output_open(); /* if it fails the ordinary streams are used */
    /* so that the state lies together and what is written in it shares pages */
    tine__process_use_up_heap();
    make_state(r);
    tine__process_use_up_heap();
}

/* --- serving --- */

static void refuse(int control, int error) {
    struct {
        struct message head;
        char text[200];
    } m = {.head = {.kind = MESSAGE_NOFORK, .error = error}};
    strncpy(m.text, tine__why_text(error), sizeof m.text - 1);
    tine__control_send(control, &m, sizeof m.head + strlen(m.text), NULL, 0);
}

static bool has_room(struct root *r) {
    if (r->n < r->room)
        return true;
    size_t room = r->room ? 2 * r->room : 8;
    struct ward *list = sys.realloc(r->wards, room * sizeof *list);
    r->wards = list ? list : r->wards;
    struct pollfd *polls = sys.realloc(r->polls, (FIXED + room) * sizeof *polls);
    r->polls = polls ? polls : r->polls;
    if (!list || !polls)
        return false;
    r->room = room;
    return true;
}

/* Returns the pid; -1: errno. */
static pid_t fork_server(struct root *r, int socket, enum server_way way) {
    if (r->error || !(r->run.L || make_state(r)) || !has_room(r)) {
        errno = r->error ? r->error : ENOMEM;
        return -1;
    }
    pid_t pid = sys.fork();
    if (pid == -1)
        tine__proc_refused(errno, "fork");
    if (pid == 0)
        tine__server_main(socket, r->life, r->executed, way, &r->run);
    return pid;
}

/* --- the fork server forked ahead --- */

/* A program that loads the library may make a pool soon. A worker rarely does, and
** there are many workers. */
static uint64_t first_due(void) {
    return tine__boot_depth() > 0 ? NEVER : 0;
}

static void forget_ahead(struct root *r) {
    tine__close(&r->ahead.socket);
    r->ahead.pid = 0;
}

static void fork_ahead(struct root *r) {
    int ends[2];
    pid_t pid = tine__control_pair(ends) ? -1 : fork_server(r, ends[1], SERVER_AHEAD);
    r->due = pid == -1 ? NEVER : tine__now() + SOON;
    tine__close(&ends[1]);
    if (pid == -1)
        tine__close(&ends[0]);
    r->ahead = (struct ahead){pid == -1 ? 0 : pid, ends[0]};
}

/* Give the pool to the fork server that was forked ahead. Returns its pid; 0: there is none. */
static pid_t hand_over(struct root *r, int control, bool preload) {
    const struct message m = {.kind = MESSAGE_OPEN, .preload = preload};
    pid_t pid = r->ahead.pid;
    if (pid && (!has_room(r) || tine__control_send(r->ahead.socket, &m, sizeof m, &control, 1)))
        pid = 0;
    forget_ahead(r);
    return pid;
}

/* Nothing else is to be done: fork a server ahead, or give it up, if it is time. */
static void be_ahead(struct root *r) {
    if (tine__now() < r->due)
        return;
    if (!r->ahead.pid) {
        fork_ahead(r);
        return;
    }
    if (has_room(r)) /* it ends by itself, as it has heard of no pool */
        r->wards[r->n++] = (struct ward){r->ahead.pid, -1, tine__now() + PATIENCE};
    forget_ahead(r);
    r->due = NEVER;
}

/* --- pools --- */

static void open_pool(struct root *r, int *control, bool preload) {
    pid_t pid = hand_over(r, *control, preload);
    if (!pid)
        pid = fork_server(r, *control, preload ? SERVER_ALONE : SERVER_FIRST);
    r->due = NEVER;
    if (pid > 0) {
        r->wards[r->n++] = (struct ward){pid, *control, NEVER};
        *control = -1;
        return;
    }
    refuse(*control, errno);
    if (r->error)
        _exit(1); /* the program takes another root for its next pool */
}

/* Handle one message. The program may also have closed its end. */
static void serve(struct root *r) {
    struct message m;
    int control = -1, nfds = 1;
    ssize_t n = tine__control_receive(r->socket, &m, sizeof m, &control, &nfds);
    if (nfds == 1 && n == sizeof m && m.kind == MESSAGE_OPEN)
        open_pool(r, &control, m.preload);
    if (nfds == 1)
        tine__close(&control);
    if (n == 0 || (n == TINE_ESYSTEM && errno == EBADF))
        tine__close(&r->socket);
}

/* Report how a fork server died, if it has not done so itself. */
static void bury(struct root *r, pid_t pid, int status) {
    const struct message m = {.kind = MESSAGE_GONE, .pid = pid, .status = status};
    if (pid == r->ahead.pid) {
        forget_ahead(r);
        r->due = NEVER;
    }
    for (size_t i = 0; i < r->n; i++) {
        struct ward *w = &r->wards[i];
        if (w->pid != pid)
            continue;
        tine__control_send(w->control, &m, sizeof m, NULL, 0);
        tine__close(&w->control);
        *w = r->wards[--r->n];
        return;
    }
}

/* Somebody has stopped this child (SIGSTOP). Of a fork server that is stopped nobody would hear
** that a worker has died, and no worker could be killed; so it goes on. */
static void go_on(const struct root *r, pid_t pid) {
    bool ours = pid == r->ahead.pid;
    for (size_t i = 0; i < r->n; i++)
        ours |= r->wards[i].pid == pid;
    if (ours)
        kill(pid, SIGCONT);
}

/* A fork server that ended in good order has left behind only what was meant to run on
** (fork/server.c). The processes that another one leaves are killed. The root hears of them because
** it is the subreaper. */
static void bury_the_dead(struct root *r) {
    int status;
    pid_t pid;
    if (r->signals != -1)
        tine__process_clear_sigchld(r->signals);
    while ((pid = waitpid(-1, &status, WNOHANG | WUNTRACED)) > 0) {
        if (WIFSTOPPED(status)) {
            go_on(r, pid);
            continue;
        }
        if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
            tine__family_kill_pool(pid);
        bury(r, pid, status);
    }
}

/* --- fork servers that do not end --- */

/* The pool of this fork server has ended, or was closed. */
static void dismiss(struct ward *w) {
    if (w->due == NEVER)
        w->due = tine__now() + PATIENCE;
}

/* Kill those whose time is over: its preload runs for ever and has killed the guard, a debugger
** holds it. */
static void kill_overdue(struct root *r) {
    uint64_t now = tine__now();
    for (size_t i = 0; i < r->n; i++) {
        struct ward *w = &r->wards[i];
        if (w->due > now)
            continue;
        kill(w->pid, SIGKILL);
        w->due = now + PATIENCE;
    }
}

/* --- its life --- */

/* The program has died: fork servers see it themselves. First end the one that was forked ahead. */
static void mourn(struct root *r) {
    tine__close(&r->life);
    tine__close(&r->socket);
    if (r->ahead.pid && kill(r->ahead.pid, SIGKILL) == 0)
        tine__process_reap(r->ahead.pid);
    forget_ahead(r);
    r->due = NEVER;
    for (size_t i = 0; i < r->n; i++)
        dismiss(&r->wards[i]);
}

/* in ms; -1: for ever */
static int time_left(const struct root *r) {
    uint64_t now = tine__now(), due = r->due;
    for (size_t i = 0; i < r->n; i++)
        due = r->wards[i].due < due ? r->wards[i].due : due;
    if (due == NEVER)
        return -1;
    return due <= now ? 0 : (int)((due - now) / MS) + 1;
}

/* Sleep until something happens or is due. Returns what has happened; NULL: nothing. */
static const struct pollfd *doze(struct root *r) {
    struct pollfd *p = r->polls ? r->polls : r->few;
    p[POLL_SOCKET] = (struct pollfd){r->socket, POLLIN, 0};
    p[POLL_LIFE] = (struct pollfd){r->life, POLLIN, 0};
    p[POLL_SIGNALS] = (struct pollfd){r->signals, POLLIN, 0};
    for (size_t i = 0; i < r->n; i++) {
        int control = r->wards[i].due == NEVER ? r->wards[i].control : -1;
        p[FIXED + i] = (struct pollfd){control, POLLRDHUP, 0};
    }
    int n = poll(p, FIXED + r->n, time_left(r));
    if (n == -1 && errno != EINTR) {
        mourn(r);
        _exit(1);
    }
    return n > 0 ? p : NULL;
}

/* Until the program has died or dropped us, and all fork servers have ended: as long as there is
** one, we are needed to kill what it leaves behind. */
_Noreturn void tine__root_main(int socket, int life, bool executed) {
    struct root r = {.socket = socket,
                     .life = life,
                     .signals = -1,
                     .executed = executed,
                     .ahead = {0, -1},
                     .due = first_due()};
    become_root(&r);
    while (r.socket != -1 || r.n > 0) {
        const struct pollfd *p = doze(&r);
        if (!p)
            be_ahead(&r);
        for (size_t i = 0; p && i < r.n; i++)
            if (p[FIXED + i].revents)
                dismiss(&r.wards[i]);
        if (p && p[POLL_SIGNALS].revents)
            bury_the_dead(&r);
        if (p && p[POLL_LIFE].revents)
            mourn(&r);
        else if (p && p[POLL_SOCKET].revents)
            serve(&r);
        kill_overdue(&r);
    }
    mourn(&r);
    _exit(0);
}
