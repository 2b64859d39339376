/* The far site: signs of life, reconnecting, and what happens when no host is there. */
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/sys.h"
#include "site/far/internal.h"

#define ASK_SOON FAR_SECOND /* how often servers are asked for hosts while none is known */

static bool somebody_is_there(const struct far *f) {
    for (unsigned i = 0; i < f->nservers; i++)
        if (gm_is_open(&f->servers[i].conn) && f->servers[i].hosts > 0)
            return true;
    return false;
}

/* When to ask this server again for its list of hosts, which is its sign of life; UINT64_MAX:
** never. A server stops being asked only when the time to ask has come, so that not every task
** resets the clock. */
static uint64_t ask_at(const struct far *f, const struct far_server *v) {
    uint64_t often = f->o.lost_after / 3;
    if (v->hosts == 0 && often > ASK_SOON)
        often = ASK_SOON;
    return v->resting && !far_is_wanted(f) ? UINT64_MAX : clock_after(v->asked, often);
}

static uint64_t due_of(const struct far *f, const struct far_server *v) {
    if (v->conn.fd == -1)
        return v->again;
    if (v->conn.connecting)
        return clock_after(v->conn.heard, gm_patience(&v->conn, f->o.connect_timeout));
    uint64_t ask = ask_at(f, v), lost = gm_lost_at(&v->conn, f->o.lost_after);
    return ask < lost ? ask : lost;
}

uint64_t tine__far_due(struct far *f) {
    uint64_t due = f->desert ? f->desert : UINT64_MAX;
    for (unsigned i = 0; i < f->nservers; i++) {
        uint64_t at = due_of(f, &f->servers[i]);
        due = at < due ? at : due;
    }
    return due;
}

/* --- one server --- */

/* Ask hosts that have tasks for a sign of life; those that were silent for too long are lost. */
static void look_at_lines(struct far *f, struct far_server *v, uint64_t now) {
    char why[64];
    snprintf(why, sizeof why, "its host has not been heard for %.3g s",
             (double)f->o.lost_after / FAR_SECOND);
    for (struct list *n = v->lines.next, *next; n != &v->lines; n = next) {
        struct far_line *l = LIST_ITEM(n, struct far_line, node);
        next = n->next;
        if (l->running == 0)
            l->heard = now;
        else if (now >= clock_after(l->heard, f->o.lost_after))
            tine__far_lose_line(f, l, why);
        else
            tine__far_order(l, SAY_PING, NULL, NULL, 0);
    }
}

static void tick_server(struct far *f, struct far_server *v, uint64_t now) {
    struct gm_conn *c = &v->conn;
    if (c->fd == -1 && now >= v->again && !tine__gm_open(c, now)) {
        tine__far_lose_server(f, v);
    } else if (c->connecting &&
               now >= clock_after(c->heard, gm_patience(c, f->o.connect_timeout))) {
        tine__gm_close(c);
        tine__far_lose_server(f, v);
        snprintf(v->why, sizeof v->why, "%.100s: it does not answer", c->address->name);
    } else if (gm_is_open(c) && now >= ask_at(f, v)) {
        /* before gm_lost_at is looked at: if this process was stopped, an
        ** answer may be there unread */
        v->resting = !far_is_wanted(f);
        if (v->resting)
            return;
        v->asked = now;
        tine__gm_say(c, "workers\n");
        gm_asked(c, now);
        look_at_lines(f, v, now);
    } else if (gm_is_open(c) && now >= gm_lost_at(&v->conn, f->o.lost_after)) {
        tine__gm_close(c);
        tine__far_lose_server(f, v);
        snprintf(v->why, sizeof v->why, "%.100s: it was not heard any more", c->address->name);
    }
}

/* --- no host --- */

/* A function registered by hosts that do not fit us; NULL: none. */
static const char *find_other(const struct far *f) {
    for (unsigned i = 0; i < f->nservers; i++)
        if (f->servers[i].other[0])
            return f->servers[i].other;
    return NULL;
}

static void say_desert(const struct far *f, char *out, size_t size) {
    const char *other = find_other(f);
    bool any = false;
    for (unsigned i = 0; i < f->nservers; i++)
        any |= gm_is_open(&f->servers[i].conn) && !f->servers[i].why[0];
    int n = 0;
    if (any)
        n = snprintf(out, size,
                     "no host has been serving \"%s\" for Lua of this build (%s) for %.3g s",
                     f->o.servers.set, f->function, (double)f->o.connect_timeout / FAR_SECOND);
    if (any && other && (size_t)n < size)
        snprintf(
            out + n, size - (size_t)n,
            "; there is one for another (%s): programs and hosts must have the same version of "
            "Tine and of Lua",
            other);
    if (!any)
        snprintf(out, size, "no job server can be reached: %s",
                 f->servers[0].why[0] ? f->servers[0].why : f->servers[0].conn.address->name);
}

void tine__far_tick(struct far *f, uint64_t now) {
    char why[512];
    for (unsigned i = 0; i < f->nservers; i++)
        tick_server(f, &f->servers[i], now);
    if (!far_is_wanted(f) || somebody_is_there(f)) {
        f->desert = 0;
    } else if (f->desert == 0) {
        f->desert = clock_after(now, f->o.connect_timeout);
    } else if (now >= f->desert) {
        say_desert(f, why, sizeof why);
        tine__far_tell(f, REPORT_DESERTED, why);
        f->refused = false;
        f->desert = 0;
    }
}
