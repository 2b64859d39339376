/* The root process: from the instant it is taken to the end of the program. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "worker/family.h"
#include "worker/internal.h"
#include "worker/output.h"
#include "worker/process.h"
#include "worker/state.h"

struct root {
    int socket, life;
    int signals; /* SIGCHLD */
    bool executed;
    lua_State *L; /* what the workers' states are copies of; NULL: no memory for one */
};

/* --- becoming the root --- */

/* Keep the two descriptors that are ours, away from 0 to 2, which the program may have had closed. */
static int take_descriptors(struct root *r) {
    int keep[] = {r->socket, r->life};
    tine__process_keep(keep, 2);
    int s = sys.fcntl(r->socket, F_DUPFD_CLOEXEC, 3);
    int l = sys.fcntl(r->life, F_DUPFD_CLOEXEC, 3);
    if (s == -1 || l == -1)
        return TINE_ESYSTEM;
    r->socket = s;
    r->life = l;
    int err = tine__process_null();
    keep[0] = s;
    keep[1] = l;
    tine__process_keep(keep, 2);
    return err;
}

static void become_root(struct root *r) {
    tine__fault_role("root");
    tine__root_reset();
    if (take_descriptors(r) || tine__process_own_exit())
        _exit(1); /* the program sees the end of file */
    tine__process_signals_server();
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    r->signals = tine__process_open_sigchld();
    if (r->signals == -1)
        _exit(1);
    tine__process_title("root", 0);
    if (chdir("/") == -1)
        errno = 0;       /* then it keeps a directory busy, no more */
    tine__output_open(); /* in need the ordinary streams do */
    r->L = tine__state_new();
    tine__process_use_up_heap();
}

/* --- serving --- */

static void refuse(int control, int error) {
    struct message m = {.kind = MESSAGE_NOFORK, .error = error};
    tine__control_send(control, &m, sizeof m, NULL, 0);
}

static void open_pool(struct root *r, int control) {
    if (!r->L && !(r->L = tine__state_new())) {
        refuse(control, ENOMEM);
        return;
    }
    pid_t pid = sys.fork();
    if (pid == 0) {
        tine__close(&r->socket);
        tine__server_main(control, r->life, r->executed, r->L);
    }
    if (pid == -1)
        refuse(control, errno);
}

/* One message. False: the program has closed its end. */
static bool serve(struct root *r) {
    struct message m;
    int control = -1, nfds = 1;
    ssize_t n = tine__control_receive(r->socket, &m, sizeof m, &control, &nfds);
    if (n == sizeof m && m.kind == MESSAGE_OPEN && nfds == 1)
        open_pool(r, control);
    if (nfds == 1)
        tine__close(&control);
    return n != 0;
}

/* A fork server that ended in good order has left behind only what was meant to run on (server.c). What
** another one leaves must go: we are told of its children because they are ours now. */
static void bury_the_dead(struct root *r) {
    int status;
    pid_t pid;
    tine__process_clear_sigchld(r->signals);
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        if (WIFSIGNALED(status))
            tine__family_kill_pool(pid);
}

_Noreturn void tine__root_main(int socket, int life, bool executed) {
    struct root r = {.socket = socket, .life = life, .executed = executed};
    become_root(&r);
    for (;;) {
        struct pollfd p[3] = {{r.socket, POLLIN, 0}, {r.life, POLLIN, 0}, {r.signals, POLLIN, 0}};
        if (poll(p, 3, -1) == -1 && errno != EINTR)
            _exit(1);
        if (p[2].revents)
            bury_the_dead(&r);
        if (p[1].revents || (p[0].revents && !serve(&r)))
            _exit(0);
    }
}
