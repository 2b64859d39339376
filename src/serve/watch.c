/* Signs of life, reconnecting, and noticing which tasks workers have begun. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/clock.h"
#include "base/sys.h"
#include "serve/internal.h"

/* between two tries to reach a server */
#define PAUSE_LEAST (50 * SERVE_MILLISECOND)
#define PAUSE_MOST (2 * SERVE_SECOND)
#define LOOK_MOST (128 * SERVE_MILLISECOND)

void tine__serve_log(const struct serve *s, const char *format, ...) {
    char line[512];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (s->o->log)
        s->o->log(s->o->arg, line);
}

/* May a worker have begun a task whose submitter does not know it? */
static bool some_may_run(const struct serve *s) {
    return s->waiting > 0 && s->running < s->o->workers;
}

/* --- servers --- */

void tine__greet(struct serve *s, struct server *v) {
    char id[GM_NAME + 16];
    snprintf(id, sizeof id, "%u/%s", s->o->workers, s->o->name);
    const struct gm_text name = {id, strlen(id)}, function = {s->function, strlen(s->function)};
    v->grabs = 0;
    v->asleep = v->dry = v->known = false;
    v->asked = tine__now();
    if (!tine__gm_unique(v->id)) {
        tine__gm_close(&v->conn);
        tine__server_lose(s, v, "no random bytes to be had");
        return;
    }
    tine__gm_send(&v->conn, GM_SET_CLIENT_ID, 1, &name);
    if (!s->leaving)
        tine__gm_send(&v->conn, GM_CAN_DO, 1, &function);
    tine__gm_say(&v->conn, "version\n"); /* when it answers, it has registered our function */
    tine__grab(s, v);
    tine__gm_flush(&v->conn);
}

static uint64_t longer(uint64_t pause) {
    uint64_t twice = 2 * pause;
    return twice < PAUSE_LEAST ? PAUSE_LEAST : twice > PAUSE_MOST ? PAUSE_MOST : twice;
}

static void free_peers(struct serve *s, struct list *peers) {
    while (!list_empty(peers))
        tine__peer_free(s, LIST_ITEM(list_pop(peers), struct peer, node));
}

void tine__server_lose(struct serve *s, struct server *v, const char *why) {
    if (v->known)
        tine__serve_log(s, "lost %s: %s", v->conn.address->name, why);
    else if (!v->told)
        tine__serve_log(s, "cannot reach %s, trying on: %s", v->conn.address->name, why);
    v->told = true;
    while (!list_empty(&v->works))
        tine__work_abandon(s, LIST_ITEM(v->works.next, struct work, node));
    free_peers(s, &v->peers);
    free_peers(s, &v->opening);
    v->grabs = 0;
    v->known = v->asleep = false;
    v->again = tine__now() + v->pause;
    v->pause = longer(v->pause);
}

/* When to ask the server for a sign of life. Also when there is no work: a server that was cut off,
** or that waits for the rest of a packet, would never wake us. */
static uint64_t ask_at(const struct serve *s, const struct server *v) {
    return clock_after(v->asked, s->o->lost_after / 3);
}

/* When to hand the work back, if its submitter has not confirmed it. */
static uint64_t unsaid_at(const struct work *w) {
    return w->stage == WORK_ASKED ? clock_after(w->asked, w->peer->lost_after) : UINT64_MAX;
}

static uint64_t server_due(const struct serve *s, const struct server *v) {
    if (v->conn.fd == -1)
        return v->again;
    if (v->conn.connecting)
        return clock_after(v->conn.heard, gm_patience(&v->conn, s->o->lost_after));
    uint64_t due = ask_at(s, v);
    uint64_t lost = gm_lost_at(&v->conn, s->o->lost_after);
    due = lost < due ? lost : due;
    for (const struct list *n = v->peers.next; n != &v->peers; n = n->next) {
        const struct peer *peer = LIST_ITEM(n, struct peer, node);
        lost = peer->works ? clock_after(peer->heard, peer->lost_after) : UINT64_MAX;
        due = lost < due ? lost : due;
    }
    for (const struct list *n = v->works.next; n != &v->works; n = n->next) {
        lost = unsaid_at(LIST_ITEM(n, struct work, node));
        due = lost < due ? lost : due;
    }
    return due;
}

static void watch_peers(struct serve *s, struct server *v, uint64_t now) {
    for (struct list *n = v->peers.next, *next; n != &v->peers; n = next) {
        struct peer *peer = LIST_ITEM(n, struct peer, node);
        next = n->next;
        if (peer->works == 0)
            peer->heard = now;
        else if (now >= clock_after(peer->heard, peer->lost_after))
            tine__peer_lose(s, v, peer, "it has not been heard for long");
    }
}

static void watch_works(struct serve *s, struct server *v, uint64_t now) {
    for (struct list *n = v->works.next, *next; n != &v->works; n = next) {
        struct work *w = LIST_ITEM(n, struct work, node);
        next = n->next;
        if (now >= unsaid_at(w))
            tine__work_drop(s, w);
    }
}

static void watch_server(struct serve *s, struct server *v, uint64_t now) {
    struct gm_conn *c = &v->conn;
    if (c->fd == -1) {
        if (now >= v->again && !tine__gm_open(c, now))
            tine__server_lose(s, v, strerror(c->error));
        return;
    }
    bool silent = now >= (c->connecting ? clock_after(c->heard, gm_patience(c, s->o->lost_after))
                                        : gm_lost_at(&v->conn, s->o->lost_after));
    /* asked first: if this process was stopped, an answer may be waiting to be read */
    if (!c->connecting && now >= ask_at(s, v)) {
        v->asked = now;
        tine__gm_say(c, "version\n");
        gm_asked(c, now);
    } else if (silent) {
        tine__gm_close(c);
        tine__server_lose(s, v, "it has not been heard for long");
    }
    watch_peers(s, v, now);
    watch_works(s, v, now);
}

/* --- begun tasks --- */

void tine__watch_begun(struct serve *s, struct work *w) {
    if (w->stage != WORK_BEGUN || w->running ||
        tine__task_look(s->pool, &w->item, w->told) != LOOK_RUNNING)
        return;
    w->running = true;
    s->waiting--;
    s->running++;
    tine__answer_begun(s, w);
    tine__answer_say(s, w, false);
}

/* Tell submitters of tasks that workers have begun, unless these have ended at once. */
static void look(struct serve *s, uint64_t now) {
    if (!some_may_run(s) || now < s->look)
        return;
    for (unsigned i = 0; i < s->nservers; i++)
        for (struct list *n = s->servers[i].works.next; n != &s->servers[i].works; n = n->next)
            tine__watch_begun(s, LIST_ITEM(n, struct work, node));
    s->rest = s->rest < LOOK_MOST ? 2 * s->rest : s->rest;
    s->look = now + s->rest;
}

/* --- the whole --- */

uint64_t tine__watch_due(const struct serve *s) {
    uint64_t due = some_may_run(s) ? s->look : UINT64_MAX;
    for (unsigned i = 0; i < s->nservers; i++) {
        uint64_t at = server_due(s, &s->servers[i]);
        due = at < due ? at : due;
    }
    if (s->o->idle && s->idle_since && clock_after(s->idle_since, s->o->idle) < due)
        due = clock_after(s->idle_since, s->o->idle);
    if (s->o->alone && s->alone_since && clock_after(s->alone_since, s->o->alone) < due)
        due = clock_after(s->alone_since, s->o->alone);
    return due;
}

void tine__watch(struct serve *s, uint64_t now) {
    bool alone = true;
    for (unsigned i = 0; i < s->nservers; i++) {
        watch_server(s, &s->servers[i], now);
        alone &= !s->servers[i].known;
    }
    look(s, now);
    s->idle_since = s->works > 0 ? 0 : s->idle_since ? s->idle_since : now;
    s->alone_since = !alone ? 0 : s->alone_since ? s->alone_since : now;
}
