#include "worker/root.h"

#include <errno.h>
#include <poll.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>

#include "base/error.h"
#include "base/list.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "worker/find_helper.h"
#include "worker/internal.h"

#define PATIENCE 10000 /* ms that a root may take to read what it is told */

extern char **environ;

void (*tine__root_dress)(struct lua_State *L);

struct root_watch {
    struct list node;
    void (*close)(void *arg);
    void *arg;
};

/*   field      rule
**   lock       for all below; held over a fork by anybody (see before_fork)
**   forked     our end of the forked root's socket; -1: none
**   executed   the same of the executed helper
**   lines      what lives as long as this process where there are no pidfds
**   handlers   the pthread_atfork handlers are there
*/
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int forked = -1, executed = -1;
static int lines[2] = {-1, -1};
static bool handlers;
static atomic_uint generation;
static struct list watches = {&watches, &watches};

/* We are forking ourselves, with the lock held: the handlers below have nothing to do. Initial-exec: they run
** in each worker too, and to ask for the address touches pages that it has no other use for. */
static _Thread_local bool ours __attribute__((tls_model("initial-exec")));

/* --- forks of the program --- */

static void before_fork(void) {
    if (!ours)
        pthread_mutex_lock(&lock);
}

static void after_fork_parent(void) {
    if (!ours)
        pthread_mutex_unlock(&lock);
}

static void after_fork_child(void) {
    if (ours)
        return;
    atomic_fetch_add(&generation, 1);
    tine__close(&forked);
    tine__close(&executed);
    tine__close(&lines[0]);
    tine__close(&lines[1]);
    for (struct list *n = watches.next; n != &watches; n = n->next) {
        struct root_watch *w = LIST_ITEM(n, struct root_watch, node);
        w->close(w->arg);
    }
    pthread_mutex_unlock(&lock);
}

unsigned tine__root_generation(void) {
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

struct root_watch *tine__root_watch(void (*close_it)(void *arg), void *arg) {
    struct root_watch *w = sys.malloc(sizeof *w);
    if (!w)
        return NULL;
    w->close = close_it;
    w->arg = arg;
    pthread_mutex_lock(&lock);
    list_push(&watches, &w->node);
    pthread_mutex_unlock(&lock);
    return w;
}

void tine__root_unwatch(struct root_watch *w) {
    if (!w)
        return;
    pthread_mutex_lock(&lock);
    list_remove(&w->node);
    pthread_mutex_unlock(&lock);
    free(w);
}

void tine__root_reset(void) {
    pthread_mutex_init(&lock, NULL);
    forked = executed = -1; /* closed already, with all that was the program's */
    list_init(&watches);
    ours = false;
}

static int add_handlers(void) {
    if (handlers)
        return 0;
    if (pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0) {
        errno = ENOMEM;
        return TINE_ESYSTEM;
    }
    handlers = true;
    return 0;
}

/* --- taking a root --- */

/* What both kinds of root are given. */
struct gift {
    int ends[2]; /* of its socket: ours, its */
    int life;    /* pidfd of this process */
    int *line;   /* without pidfds: the other end of `life`, in `lines` */
};

static void gift_close(struct gift *g) {
    tine__close(&g->ends[0]);
    tine__close(&g->ends[1]);
    tine__close(&g->life);
}

/* Move a descriptor to 5 or above: the program may have closed 0 to 2, and take what it opens next for
** its own, and the helper wants 3 and 4. */
static int move_up(int *fd) {
    if (*fd >= 5)
        return 0;
    int up = sys.fcntl(*fd, F_DUPFD_CLOEXEC, 5);
    if (up == -1)
        return TINE_ESYSTEM;
    tine__close(fd);
    *fd = up;
    return 0;
}

/* A descriptor that is readable when this process has died. Where there are no pidfds (a sandbox, an
** emulator) it is one end of a pair whose other end stays here. */
static int open_life(struct gift *g) {
    g->life = sys.pidfd_open(getpid(), 0);
    if (g->life != -1)
        return 0;
    if (errno != ENOSYS && errno != EPERM)
        return TINE_ESYSTEM;
    int ends[2];
    int err = tine__control_pair(ends);
    if (!err) {
        g->life = ends[0];
        tine__close(g->line);
        *g->line = ends[1];
        err = move_up(g->line);
    }
    return err;
}

static int gift_make(struct gift *g, int *line) {
    *g = (struct gift){{-1, -1}, -1, line};
    if (open_life(g))
        return TINE_ESYSTEM;
    int err = tine__control_pair(g->ends);
    if (!err)
        err = move_up(&g->ends[0]);
    if (!err)
        err = move_up(&g->ends[1]);
    if (!err)
        err = move_up(&g->life);
    return err;
}

/* Wait for the process between us and the root (see below); its exit code is an errno. */
static int await_between(pid_t pid) {
    int status;
    while (waitpid(pid, &status, 0) == -1) {
        if (errno == EINTR)
            continue;
        return 0; /* the program reaps all children itself: then the socket will tell */
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    errno = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
    return TINE_ESYSTEM;
}

/* The root is not our child but our grandchild, its parent ends at once: a program that waits for all
** its children, or counts them, never meets it, and it leaves us no zombie. */
static _Noreturn void between(const struct gift *g) {
    pid_t pid = sys.fork();
    if (pid == 0)
        tine__root_main(g->ends[1], g->life, false);
    _exit(pid == -1 ? errno : 0);
}

static int fork_between(const struct gift *g) {
    sigset_t all, before;
    fflush(NULL); /* or what the program has printed so far could appear twice */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* no handler of the program's runs over there */
    ours = true;
    pid_t pid = sys.fork();
    if (pid == 0)
        between(g);
    int saved = errno;
    ours = false;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid == -1 ? TINE_ESYSTEM : await_between(pid);
}

static int fork_root(void) {
    struct gift g;
    int err = gift_make(&g, &lines[0]);
    if (!err)
        err = fork_between(&g);
    if (!err) {
        forked = g.ends[0];
        g.ends[0] = -1;
    }
    gift_close(&g);
    return err;
}

/* posix_spawn with the gift at 3 and 4, whatever their numbers are here. */
static int spawn_helper(const char *path, struct gift *g) {
    char room[] = "                                "; /* where the title will be written */
    char *argv[] = {"tine-helper", room, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    pid_t pid;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    errno = posix_spawn_file_actions_adddup2(&actions, g->ends[1], 3);
    if (!errno)
        errno = posix_spawn_file_actions_adddup2(&actions, g->life, 4);
    if (!errno)
        errno = sys.posix_spawn(&pid, path, &actions, &attr, argv, environ);
    int saved = errno;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    errno = saved;
    return errno ? TINE_ESYSTEM : await_between(pid);
}

static int execute_root(void) {
    struct gift g;
    char path[HELPER_PATH];
    int err = tine__find_helper(path);
    if (err)
        return err;
    err = gift_make(&g, &lines[1]);
    if (!err)
        err = spawn_helper(path, &g);
    if (!err) {
        executed = g.ends[0];
        g.ends[0] = -1;
    }
    gift_close(&g);
    return err;
}

/* Is this the only thread of the program? (The thread sanitizer always has one of its own.) */
static bool alone(void) {
#if defined(__SANITIZE_THREAD__)
    const nlink_t hidden = 1;
#else
    const nlink_t hidden = 0;
#endif
    struct stat st;
    return stat("/proc/self/task", &st) == 0 && st.st_nlink <= 3 + hidden;
}

int tine__root_take(void) {
    pthread_mutex_lock(&lock);
    int err = add_handlers();
    if (!err)
        tine__find_helper_note();
    if (!err && forked == -1 && alone())
        err = fork_root();
    pthread_mutex_unlock(&lock);
    return err;
}

/* --- asking it --- */

/* Our end of the socket of the root to ask, taken now if need be. NULL: errno tells why. */
static int *choose(bool spawn) {
    if (!spawn && forked == -1 && alone() && fork_root())
        return NULL;
    if (!spawn && forked != -1)
        return &forked;
    if (executed == -1 && execute_root())
        return NULL;
    return &executed;
}

static int tell(int root, int control) {
    struct message m = {.kind = MESSAGE_OPEN};
    struct pollfd p = {root, POLLOUT, 0};
    int err;
    while ((err = tine__control_send(root, &m, sizeof m, &control, 1)) == TINE_EAGAIN) {
        int n = poll(&p, 1, PATIENCE);
        if (n == 0)
            errno = ETIMEDOUT;
        if (n == 0 || (n == -1 && errno != EINTR))
            return TINE_ESYSTEM;
    }
    return err;
}

/* Have the end `control` of a socket passed to a fork server. */
static int pass(int control, bool spawn) {
    int err = add_handlers();
    for (int try = 0; !err && try < 2; try++) {
        int *root = choose(spawn);
        err = root ? tell(*root, control) : TINE_ESYSTEM;
        if (err != TINE_ESHUTDOWN)
            break;
        tine__close(root); /* somebody has killed it: take another one */
        errno = ECHILD;
        err = try ? TINE_ESYSTEM : 0;
    }
    return err;
}

int tine__root_open(int *control, bool spawn) {
    int ends[2] = {-1, -1};
    pthread_mutex_lock(&lock);
    int err = tine__control_pair(ends);
    if (!err)
        err = pass(ends[1], spawn);
    tine__close(&ends[1]);
    if (err)
        tine__close(&ends[0]);
    *control = ends[0];
    pthread_mutex_unlock(&lock);
    return err;
}

int tine__root_set_up(int control, const int fds[SETUP_FDS]) {
    struct message m = {.kind = MESSAGE_SETUP};
    int err = tine__control_send(control, &m, sizeof m, fds, SETUP_FDS);
    if (err == TINE_EAGAIN)
        err = TINE_ESYSTEM; /* the first message always finds room, but for the kernel's memory */
    return err == TINE_ESHUTDOWN ? 0 : err;
}
