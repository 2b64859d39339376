#include "worker/fork/preload.h"

#include <errno.h>
#include <poll.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "worker/process/family.h"
#include "worker/process/output.h"
#include "worker/process/process.h"
#include "worker/state/lasting.h"
#include "worker/task/prelude.h"

/* --- the guard: meanwhile the fork server reads no messages, and a preload may run for ever --- */

/* This signal ends a guard, but only while it waits. A guard that is about to kill the fork server
** has stopped it first, and must live to finish. (What a user or a terminal sends to the whole
** group does not end it.) */
#define STAND_DOWN SIGRTMAX

/* Wait for the end of the pool or the program, then kill the fork server. Starts
** with all signals blocked. */
static _Noreturn void guard(const struct server *s, pid_t server) {
    sigset_t waiting;
    tine__process_tie(server);
    tine__process_title("guard", 0);
    sigfillset(&waiting);
    sigdelset(&waiting, STAND_DOWN);
    struct pollfd p[2] = {{s->control, POLLRDHUP, 0}, {s->life, POLLIN, 0}};
    while (ppoll(p, 2, NULL, &waiting) == -1 && errno == EINTR)
        ;
    tine__family_kill_tree(server);
    _exit(0);
}

/* A preload that waits for all its children is not to wait for the guard, which ends after it. */
static int open_guard(const struct server *s, pid_t *pid) {
    pid_t server = getpid();
    *pid = tine__process_fork_unseen();
    if (*pid == 0)
        guard(s, server);
    return *pid == -1 ? TINE_ESYSTEM : 0;
}

static void close_guard(pid_t pid) {
    kill(pid, STAND_DOWN);
    kill(pid, SIGCONT); /* should somebody have stopped it */
    tine__process_reap(pid);
}

/* --- the preload --- */

/* Report the failure. An error too long for a message is sent as text, and cut. */
static void tell_failure(struct server *s, struct run *r, struct buf *out) {
    const struct message m = {.kind = MESSAGE_NOPRELOAD, .pid = getpid()};
    if (out->len > MESSAGE_MAX - sizeof m)
        tine__run_shorten(r, out, MESSAGE_MAX / 4);
    tine__server_tell(s, &m, out->data, out->len);
}

int tine__server_preload(struct server *s) {
    struct run *r = &s->run;
    const struct message m = {.kind = MESSAGE_PRELOADING, .pid = getpid()};
    struct buf out;
    pid_t pid;
    int err = open_guard(s, &pid);
    if (err)
        return err;
    tine__server_tell(s, &m, NULL, 0);
    tine__buf_init(&out);
    tine__fd_company();
    err = tine__prelude_preload(r, &s->boot, &out);
    if (process_is_foreign())
        tine__process_exit(0); /* the preload has forked, and this is the child */
    tine__output_flush();      /* or every worker would print it again */
    if (err)
        tell_failure(s, r, &out);
    else
        tine__lasting(r->L);
    tine__buf_free(&out);
    close_guard(pid);
    return err;
}
