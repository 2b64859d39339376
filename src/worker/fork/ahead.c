#include "worker/fork/ahead.h"

#include "base/sys.h"
#include "ipc/control.h"
#include "worker/fork/takeover.h"
#include "worker/process/process.h"

/* --- the worker's side --- */

/* Wait for the pool. Until then signals to the process group are ignored, as in the fork server. */
static _Noreturn void wait_ahead(struct server *s, int socket, pid_t parent) {
    struct message m;
    int link;
    tine__process_tie(parent);
    tine__process_unblock_signals();
    tine__process_title("ahead", 0);
    tine__fd_keep(&socket, 1);
    s->control = socket;
    s->life = -1;
    if (tine__server_receive(s, MESSAGE_SETUP, &s->setup, s->fds, SETUP_FDS))
        _exit(1);
    int err = tine__server_enter(s);
    if (!err)
        err = tine__server_take_over(s);
    if (!err)
        err = tine__server_attach(s, 0);
    if (tine__server_receive(s, MESSAGE_START, &m, &link, 1))
        _exit(1);
    if (err) /* it has not what it takes to say more */
        _exit(WORKER_SPEECHLESS);
    tine__process_block_signals();
    tine__worker_main(s, m.worker, m.seat, link, parent);
}

/* --- the fork server's side --- */

void tine__ahead_fork(struct server *s) {
    pid_t parent = getpid();
    int ends[2];
    if (tine__control_pair(ends))
        return;
    pid_t pid = tine__process_fork();
    if (pid == 0)
        wait_ahead(s, ends[1], parent);
    tine__close(&ends[1]);
    if (pid == -1)
        tine__close(&ends[0]);
    s->ahead = (struct ahead){pid == -1 ? 0 : pid, ends[0]};
}

void tine__ahead_set_up(struct server *s) {
    if (s->ahead.pid &&
        tine__control_send(s->ahead.socket, &s->setup, sizeof s->setup, s->fds, SETUP_FDS))
        tine__ahead_drop(s);
}

pid_t tine__ahead_start(struct server *s, const struct message *m, int link) {
    pid_t pid = s->ahead.pid;
    if (pid && tine__control_send(s->ahead.socket, m, sizeof *m, &link, 1)) {
        tine__ahead_drop(s);
        return 0;
    }
    tine__ahead_reaped(s, pid); /* from now on it is a worker like any other */
    return pid;
}

void tine__ahead_drop(struct server *s) {
    if (!s->ahead.pid)
        return;
    kill(s->ahead.pid, SIGKILL);
    tine__process_reap(s->ahead.pid);
    tine__ahead_reaped(s, s->ahead.pid);
}

void tine__ahead_reaped(struct server *s, pid_t pid) {
    if (!pid || pid != s->ahead.pid)
        return;
    tine__close(&s->ahead.socket);
    s->ahead.pid = 0;
}
