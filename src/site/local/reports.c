/* Reports of the local site: which comes next, and what the fork server says.
**
** Results come before deaths: a worker may finish a task and die, and what it sent still counts. So
** when a worker's end is heard it is put aside (`death`) until its ring is empty and the calls that
** it had taken were reported lost.
*/
#include <errno.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "site/local/internal.h"
#include "site/local/printer.h"
#include "worker/protocol.h"

/* --- the fork server --- */

/* The fork server has died without being asked: say in which step. */
static void gone(struct local *l, const struct message *m, struct report *r) {
    tine__close(&l->control);
    *r = (struct report){.kind = REPORT_GONE, .pid = l->over ? 0 : m->pid, .status = m->status};
    r->bytes = l->step == MESSAGE_UP           ? ""
               : l->step == MESSAGE_PRELOADING ? " in its preload"
                                               : " while it was being set up";
    r->length = strlen(r->bytes);
}

/* Turn a message into a report; false: it needs none. */
COLD static bool hear(struct local *l, const struct message *m, size_t length, struct report *r) {
    bool known = m->worker >= 1 && m->worker <= l->workers && l->lanes[m->worker];
    *r = (struct report){.worker = m->worker,
                         .pid = m->pid,
                         .status = m->status,
                         .error = m->error,
                         .spent = m->spent};
    switch (m->kind) {
    case MESSAGE_UP:
    case MESSAGE_PRELOADING:
        l->step = m->kind;
        l->server = m->pid;
        return false;
    case MESSAGE_GONE:
        gone(l, m, r);
        return true;
    case MESSAGE_NOFORK: /* followed by text */
    case MESSAGE_NOPRELOAD:
        r->kind = REPORT_FAILED;
        r->bytes = l->packet + sizeof *m;
        r->length = length - sizeof *m;
        return true;
    case MESSAGE_STARTED:
        l->step = MESSAGE_UP;
        l->server = m->status;
        r->status = 0;
        r->kind = REPORT_STARTED;
        if (known)
            l->lanes[m->worker]->pid = m->pid;
        return known;
    case MESSAGE_NOSTART:
        r->kind = REPORT_NOT_STARTED;
        if (known)
            tine__local_forget(l, m->worker);
        return known;
    case MESSAGE_EXITED:
        l->farewell = m->last;
        if (known) {
            l->lanes[m->worker]->killed = false;
            tine__local_paid(l);
            r->kind = REPORT_EXITED;
            tine__local_begin_death(l, r);
        }
        return false;
    default:
        return false;
    }
}

static bool read_control(struct local *l, struct report *r) {
    if (l->control != -1 && (l->lost || l->farewell || l->silent)) {
        int error = l->lost ? EBADF : l->silent && !l->over ? ETIMEDOUT : 0;
        tine__close(&l->control);
        *r = (struct report){.kind = REPORT_GONE, .error = error};
        return true;
    }
    while (l->readable && l->control != -1 && l->death.kind == REPORT_NONE) {
        struct message m;
        int nfds = 0;
        ssize_t n = tine__control_receive(l->control, l->packet, MESSAGE_MAX, NULL, &nfds);
        if (n == TINE_EAGAIN) {
            l->readable = false;
        } else if (n <= 0) {
            tine__close(&l->control);
            *r = (struct report){.kind = REPORT_GONE, .error = n < 0 ? errno : 0};
            return true;
        } else if ((size_t)n >= sizeof m) {
            memcpy(&m, l->packet, sizeof m);
            if (hear(l, &m, (size_t)n, r))
                return true;
        }
    }
    return false;
}

static bool next_report(struct local *l, struct report *r) {
    for (;;) {
        if (l->death.kind != REPORT_NONE)
            return tine__local_tell_death(l, r);
        if (tine__local_read_rings(l, r) || read_control(l, r))
            return true;
        if (l->death.kind == REPORT_NONE)
            return false;
    }
}

#define PRINTING 5000000000ull /* ns */

/* Only REPORT_GONE is left. It is held back until the printer has written all output, or that takes
** too long: somebody has stopped who reads it. */
COLD static bool tell_gone(struct local *l, struct report *r) {
    if (l->gone.kind == REPORT_NONE) {
        l->gone = *r;
        l->gone_by = tine__now() + PRINTING;
        tine__printer_finish(l->printer);
    }
    bool over = tine__printer_over(l->printer);
    if (over) {
        *r = l->gone;
        l->gone.kind = REPORT_NONE;
    }
    return over;
}

/* Reports that are rarer than results. */
static bool report_other(struct local *l, struct report *r) {
    if (l->gone.kind != REPORT_NONE)
        return tell_gone(l, r);
    if (l->room) {
        l->room = false;
        *r = (struct report){.kind = REPORT_ROOM};
        return true;
    }
    if (tine__local_tell_relayed(l, r))
        return true;
    return next_report(l, r) && (r->kind != REPORT_GONE || !l->printer || tell_gone(l, r));
}

/* Has a worker written something before its process is known? A worker that was forked ahead
** answers so quickly that its result would be read before MESSAGE_STARTED, which was sent
** earlier. */
static bool is_introduced_first(struct local *l) {
    bool news = false;
    l->unnamed = false;
    for (unsigned w = 1; w <= l->top; w++) {
        const struct lane *lane = l->lanes[w];
        if (!lane || lane->pid || lane->broken)
            continue;
        l->unnamed = true;
        news |= tine__link_pending(&lane->link);
    }
    l->readable |= news;
    return news;
}

HOT bool tine__local_report(struct site *s, struct report *r, bool listen) {
    struct local *l = local_of(s);
    if (r->kind == REPORT_VALUES && tine__local_read_again(l, r))
        return true;
    tine__local_give_back(l);
    l->readable |= listen;
    bool ending = l->death.kind != REPORT_NONE || l->gone.kind != REPORT_NONE;
    if (!ending && l->unnamed && is_introduced_first(l) && read_control(l, r))
        return true;
    bool plain = !ending && !l->captures && !l->room;
    return (plain && tine__local_read_rings(l, r)) || report_other(l, r);
}
