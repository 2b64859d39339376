#include "worker/root/make.h"

#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/control.h"
#include "worker/protocol.h"
#include "worker/root/find_helper.h"
#include "worker/root/helper.h"
#include "worker/root/main.h"

/* --- the descriptors that a root is given --- */

struct gift {
    int ends[2]; /* of the root's socket: ours, the root's */
    int life;    /* pidfd of this process */
    int line;    /* without pidfds: the other end of `life` */
};

static void gift_close(struct gift *g) {
    tine__close(&g->ends[0]);
    tine__close(&g->ends[1]);
    tine__close(&g->life);
    tine__close(&g->line);
}

/* Open a descriptor that becomes readable when this process has died. Where there are no pidfds
** (sandboxes, emulators) it is one end of a socket pair whose other end stays here. */
static int open_life(struct gift *g) {
    g->life = tine__fd_pidfd(getpid());
    if (g->life != -1)
        return 0;
    if (errno != ENOSYS && errno != EPERM)
        return TINE_ESYSTEM;
    int ends[2];
    int err = tine__control_pair(ends);
    g->life = ends[0];
    g->line = ends[1];
    return err;
}

static int gift_make(struct gift *g) {
    *g = (struct gift){{-1, -1}, -1, -1};
    int err = open_life(g);
    return err ? err : tine__control_pair(g->ends);
}

/* Keep our end, and note the rights and station that the root was made with; the
** rest has been passed on. */
static void keep_gift(struct root_end *r, struct gift *g) {
    struct message m;
    int n = 1;
    tine__close(&r->line);
    r->self = -1;
    tine__control_receive(g->ends[0], &m, sizeof m, &r->self, &n);
    r->socket = g->ends[0];
    r->line = g->line;
    g->ends[0] = g->line = -1;
    tine__rights_of(&r->rights);
    tine__station_of(&r->station);
}

/* Keep the gift if the root was made (`err` 0), and close the rest; errno is kept. */
static int hand_over(struct root_end *r, struct gift *g, int err) {
    int saved = errno;
    if (!err)
        keep_gift(r, g);
    gift_close(g);
    errno = saved;
    return err;
}

/* --- forking --- */

/* Wait for the process between this one and the root (see below). 0, or -1 and *status. */
static int await_between(pid_t pid, int *status) {
    pid_t heard;
    while ((heard = waitpid(pid, status, WUNTRACED)) == -1 || WIFSTOPPED(*status)) {
        if (heard != -1)
            kill(pid, SIGCONT); /* somebody has stopped it, and we wait for it */
        else if (errno != EINTR)
            return 0; /* the program reaps all children itself; the socket will tell */
    }
    return WIFEXITED(*status) && WEXITSTATUS(*status) == 0 ? 0 : -1;
}

/* The root is not a child of the program but a grandchild, whose parent ends at once. So a program
** that waits for all its children, or counts them, never meets the root, and no zombie is left. */
static _Noreturn void between(const struct gift *g) {
    pid_t pid = sys.fork();
    if (pid == 0)
        tine__root_main(g->ends[1], g->life, false);
    int error = errno;
    if (pid != -1)
        tine__root_introduce(g->ends[1], pid);
    _exit(pid == -1 ? error : 0);
}

static int fork_between(const struct gift *g) {
    sigset_t all, before;
    int status;
    fflush(NULL); /* or buffered output of the program could be written twice */
    sigfillset(&all);
    /* so that no handler of the program runs in the child */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = sys.fork();
    if (pid == 0)
        between(g);
    int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid != -1 && await_between(pid, &status) == 0)
        return 0;
    if (pid != -1)
        error = WIFEXITED(status) ? WEXITSTATUS(status) : ECHILD;
    tine__proc_refused(error, "fork");
    return TINE_ESYSTEM;
}

int tine__root_fork(struct root_end *r) {
    struct gift g;
    int err = gift_make(&g);
    if (!err)
        err = fork_between(&g);
    return hand_over(r, &g, err);
}

/* --- the helper --- */

/* Move the descriptor to a number that adddup2 does not overwrite before it is used. */
static int move_off(int *fd) {
    return *fd > HELPER_LIFE || tine__fd_move(fd, HELPER_LIFE + 1) == 0 ? 0 : TINE_ESYSTEM;
}

/* posix_spawn with the gift as descriptors 3 and 4, whatever their numbers are here,
** and `words` as stderr. */
static int spawn(const char *path, const struct gift *g, int words, pid_t *pid) {
    char room[] = "                                "; /* room for the process title */
    char *argv[] = {"tine-helper", room, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    errno = posix_spawn_file_actions_adddup2(&actions, g->ends[1], HELPER_SOCKET);
    if (!errno)
        errno = posix_spawn_file_actions_adddup2(&actions, g->life, HELPER_LIFE);
    if (!errno && words != -1)
        errno = posix_spawn_file_actions_adddup2(&actions, words, STDERR_FILENO);
    if (!errno)
        errno = sys.posix_spawn(pid, path, &actions, &attr, argv, environ);
    int saved = errno;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    errno = saved;
    if (saved == EAGAIN)
        tine__proc_refused(saved, "posix_spawn");
    else if (saved)
        tine__why(saved, "%s cannot be executed: %s", path, strerror(saved));
    return saved ? TINE_ESYSTEM : 0;
}

/* The helper has not become a root: say how it ended, and what it wrote to stderr (such as the
** dynamic linker's complaint). */
static int explain(const char *path, int status, int words) {
    char text[256];
    ssize_t n = words == -1 ? 0 : pread(words, text, sizeof text - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    if (WIFSIGNALED(status))
        tine__why(ECHILD, "%s was killed by signal %d%s%s", path, WTERMSIG(status),
                  *text ? ": " : "", text);
    else
        tine__why(ECHILD, "%s ended with exit code %d%s%s", path, WEXITSTATUS(status),
                  *text ? ": " : "", text);
    return TINE_ESYSTEM;
}

static int spawn_helper(const char *path, struct gift *g) {
    pid_t pid;
    int status, words = tine__fd_memfd("tine-words", 0);
    int err = move_off(&g->ends[1]);
    if (!err)
        err = move_off(&g->life);
    if (!err)
        err = spawn(path, g, words, &pid);
    if (!err && await_between(pid, &status) == -1)
        err = explain(path, status, words);
    tine__close(&words);
    return err;
}

int tine__root_execute(struct root_end *r) {
    struct gift g;
    char path[HELPER_PATH];
    int err = tine__find_helper(path);
    if (err)
        return err;
    err = gift_make(&g);
    if (!err)
        err = spawn_helper(path, &g);
    return hand_over(r, &g, err);
}
