#include "worker/fork/children.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/own.h"
#include "base/proc.h"
#include "base/sys.h"
#include "worker/process/family.h"
#include "worker/task/ask.h"

#define FEW 8
#define PATIENCE \
    2000 /* ms that who was killed may take to be gone: one in the kernel's hands may take for ever */
#define NANO 1000000ull

struct child {
    uint32_t id;
    pid_t pid;
    bool reaped;
    int status;        /* when reaped */
    uint64_t spent;    /* of the processor, then */
    uint64_t deadline; /* ns; 0: nobody has killed it or what it left */
    struct toll toll;  /* who must be gone before its end is told */
};

/* The workers whose end has not been told; everything else that comes to us is an orphan of theirs. A few lie with what
** is written in any case: after a fork each page that is costs a copy. */
static OWN struct {
    struct child *list;
    size_t n, room;
    struct child few[FEW];
} children = {.list = children.few, .room = FEW};

/* --- the table --- */

bool tine__children_have_room(void) {
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

void tine__children_add(uint32_t id, pid_t pid) {
    children.list[children.n++] = (struct child){.id = id, .pid = pid};
}

size_t tine__children_count(void) {
    return children.n;
}

/* --- signals --- */

uint64_t tine__children_patience(void) {
    return tine__now() + PATIENCE * NANO;
}

/* One that is reaped has ended, and the submitter is about to hear. */
static void kill_child(struct child *c, int signal) {
    if (c->reaped)
        return;
    if (signal == SIGKILL) {
        tine__family_kill(&c->toll, c->pid, false);
        c->deadline = tine__children_patience();
    } else {
        tine__family_signal(c->pid, signal);
    }
}

void tine__children_kill(uint32_t id, int signal) {
    for (size_t i = 0; i < children.n; i++)
        if (id == 0 || children.list[i].id == id)
            kill_child(&children.list[i], signal);
}

void tine__children_ask(uint32_t id) {
    for (size_t i = 0; i < children.n; i++)
        if (children.list[i].id == id && !children.list[i].reaped)
            kill(children.list[i].pid, ASK_SIGNAL);
}

/* --- their ends --- */

bool tine__children_remain(void) {
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/* The worker, and who had to go with it, are gone, or will not go (`error`). */
static void tell_end(struct child *c, int error, children_tell *tell, struct server *s) {
    const struct message m = {.kind = MESSAGE_EXITED,
                              .worker = c->id,
                              .pid = c->pid,
                              .status = c->reaped ? c->status : 0,
                              .error = error,
                              .spent = c->spent};
    tine__toll_free(&c->toll);
    *c = children.list[--children.n];
    tell(s, &m);
}

/* All that were killed have been reaped, by us or by a parent of theirs before it stopped. Those that were begotten
** meanwhile go the same way. */
static bool is_over(struct child *c) {
    if (!c->reaped || tine__toll_look(&c->toll) > 0)
        return false;
    if (c->deadline && tine__children_remain())
        tine__family_kill(&c->toll, c->pid, true);
    return c->toll.n == 0;
}

static struct child *find_pid(pid_t pid) {
    for (size_t i = 0; i < children.n; i++)
        if (children.list[i].pid == pid && !children.list[i].reaped)
            return &children.list[i];
    return NULL;
}

/* A child was reaped. What a worker leaves behind goes with it, unless it ended in good order: then what
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
        c->deadline = tine__children_patience();
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

pid_t tine__children_reap(void) {
    int status;
    uint64_t spent;
    pid_t pid = reap(&status, &spent);
    if (pid > 0)
        bury(pid, status, spent);
    return pid;
}

void tine__children_tell_ends(children_tell *tell, struct server *s) {
    for (size_t i = children.n; i-- > 0;)
        if (is_over(&children.list[i]))
            tell_end(&children.list[i], 0, tell, s);
}

void tine__children_give_up(children_tell *tell, struct server *s) {
    uint64_t now = tine__now();
    for (size_t i = children.n; i-- > 0;) {
        struct child *c = &children.list[i];
        bool stays = c->toll.refused && c->toll.n == 0 && !c->reaped;
        if (c->deadline && (stays || now >= c->deadline))
            tell_end(c, c->toll.refused ? EPERM : EBUSY, tell, s);
    }
}

int tine__children_patience_left(void) {
    uint64_t now = tine__now(), next = UINT64_MAX;
    for (size_t i = 0; i < children.n; i++)
        if (children.list[i].deadline && children.list[i].deadline < next)
            next = children.list[i].deadline;
    if (next == UINT64_MAX)
        return -1;
    return next <= now ? 0 : (int)((next - now) / NANO) + 1;
}
