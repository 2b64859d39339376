/* Answers that the fork server owes: it has ended, or a worker that it was told to kill has. It
** gives up on processes that do not die after two seconds (fork/children.c), and answers all the
** same.
**
** But it may be stopped (SIGSTOP), or held by a debugger. The root lets a stopped one go on, and
** kills one that goes on after its pool has ended (root/main.c); the root itself may be stopped,
** and is then let go on from here. Where nothing of that helps, as the root is dead, the site kills
** the fork server and ends without an answer: a program that ends a task, or the pool, must not
** wait for ever.
**
** The time is counted in two parts, so that it is not over at once where this program was stopped
** itself, with all others.
*/
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "site/local/internal.h"
#include "worker/protocol.h"
#include "worker/root/root.h"

#define HALF 5000000000ull /* ns */

static void give_time(struct local *l, uint64_t now) {
    l->due = now + HALF;
    l->reminded = false;
}

void tine__local_owe(struct local *l) {
    /* while a preload runs, nothing but its end is answered; and that the guard sees to */
    if (l->control == -1 || (l->step != MESSAGE_UP && !l->over))
        return;
    tine__root_rouse();
    if (!l->due || l->over)
        give_time(l, tine__now());
}

void tine__local_paid(struct local *l) {
    bool owes = l->over;
    if (!l->due)
        return;
    for (unsigned w = 1; w <= l->top && !owes; w++)
        owes = l->lanes[w] && l->lanes[w]->killed;
    if (!owes)
        l->due = 0;
    else if (!l->over)
        give_time(l, tine__now());
}

/* (After REPORT_GONE nothing is owed, but the printer may have to be given up.) */
uint64_t tine__local_due(struct site *s) {
    const struct local *l = local_of(s);
    if (l->gone.kind != REPORT_NONE)
        return l->printer ? l->gone_by : 0;
    return l->due && l->control != -1 ? l->due : UINT64_MAX;
}

/* Is there something to read, which may be the answer? */
static bool has_spoken(const struct local *l) {
    struct pollfd p = {l->control, POLLIN, 0};
    return poll(&p, 1, 0) > 0;
}

/* Its workers die with it. As its end of the socket is not closed it is alive, or was not reaped;
** if not (a child that its preload has forked may have a copy), the name tells other processes. */
static void kill_server(const struct local *l) {
    char path[40], name[32];
    snprintf(path, sizeof path, "/proc/%d/comm", l->server);
    if (l->server && !strncmp(tine__fd_text(path, name, sizeof name), "tine:", 5))
        kill(l->server, SIGKILL);
}

void tine__local_dun(struct local *l, uint64_t now) {
    if (!l->due || l->control == -1 || now < l->due)
        return;
    if (has_spoken(l)) {
        l->readable = true;
        return;
    }
    tine__root_rouse();
    l->silent = l->reminded;
    if (l->silent)
        kill_server(l);
    give_time(l, now);
    l->reminded = true;
}
