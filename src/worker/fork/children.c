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
/* ms within which killed processes must end; one in the kernel's hands may take for ever */
#define PATIENCE 2000
#define NANO 1000000ull

struct child {
    uint32_t id;
    pid_t pid;
    bool reaped;
    int status;        /* once reaped */
    uint64_t spent;    /* processor time, once reaped */
    uint64_t deadline; /* ns; 0: it was not killed, and nothing it left behind was */
    struct toll toll;  /* processes that must be gone before its end is reported */
};

/* The workers whose end has not been reported; all other children are orphans. The first few lie
** beside other data that is written anyway, since each written page costs a copy after a fork. */
static OWN struct {
    struct child *list;
    size_t n, room;
    struct child few[FEW];
} children = {.list = children.few, .room = FEW};

/* --- the table --- */

void tine__children_begin(void) {
    children.n = 0;
}

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

/* A worker that was reaped has ended; that is about to be reported. */
static void kill_child(struct child *c, int signal) {
    if (c->reaped)
        return;
    if (signal == SIGKILL) {
        tine__family_kill(&c->toll, c->pid, false);
        c->deadline = tine__children_patience();
    } else if (signal == SIGCONT) {
        kill(c->pid, signal); /* programs that its tasks left behind are no business of ours */
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

/* Report a worker: it and everything that had to go with it are gone, or will not go (`error`). */
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

/* Has the worker ended, and are all killed processes gone, reaped by us or by a parent before that
** stopped? Descendants made in the meantime are killed, too. */
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

/* A child was reaped. What a worker leaves behind is killed, unless it ended in good order: then
** whatever runs on was meant to. Its descendants are our children by now. */
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

/* Reap a child as waitpid does, and note the processor time that it used. */
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
