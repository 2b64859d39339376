/* What job servers and submitters send. None of it is trusted. */
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "serve/internal.h"

#define PIPELINE 8 /* jobs that are asked for at once */

/* --- submitters --- */

static struct peer *find_peer(struct list *peers, const char *id) {
    for (struct list *n = peers->next; n != peers; n = n->next) {
        struct peer *peer = LIST_ITEM(n, struct peer, node);
        if (memcmp(peer->id, id, sizeof peer->id) == 0)
            return peer;
    }
    return NULL;
}

/* Open a line to the submitter. */
static bool open_line(struct serve *s, struct server *v, struct peer *peer) {
    struct gm_about about;
    char function[GM_FUNCTION];
    struct gm_line line = {.slots = s->o->workers};
    memcpy(line.host, v->id, sizeof line.host);
    memcpy(line.name, s->o->name, sizeof line.name);
    tine__gm_line_function(peer->id, function);
    s->sealed.len = 0;
    if (!tine__gm_unique(peer->unique) ||
        tine__seal(&s->o->keys, peer->key,
                   tine__gm_about(&about, KIND_LINE, function, peer->unique, 0),
                   (const char *)&line, sizeof line, &s->sealed))
        return false;
    const struct gm_text args[] = {{function, strlen(function)},
                                   {peer->unique, GM_UNIQUE - 1},
                                   {s->sealed.data, s->sealed.len}};
    return tine__gm_send(&v->conn, GM_SUBMIT_JOB_HIGH, 3, args);
}

struct peer *tine__peer_need(struct serve *s, struct server *v, const struct gm_task *t,
                             unsigned key) {
    struct peer *peer = find_peer(&v->peers, t->peer);
    if (!peer)
        peer = find_peer(&v->opening, t->peer);
    if (peer || !(peer = sys.calloc(1, sizeof *peer)))
        return peer;
    memcpy(peer->id, t->peer, sizeof peer->id);
    peer->key = key;
    peer->heard = v->conn.heard;
    peer->lost_after = t->lost_after;
    if (!open_line(s, v, peer)) {
        free(peer);
        return NULL;
    }
    list_push(&v->opening, &peer->node);
    return peer;
}

void tine__peer_lose(struct serve *s, struct server *v, struct peer *peer, const char *why) {
    if (peer->works > 0)
        tine__serve_log(s, "submitter %s: %s", peer->id, why);
    for (struct list *n = v->works.next, *next; n != &v->works; n = next) {
        struct work *w = LIST_ITEM(n, struct work, node);
        next = n->next;
        if (w->peer != peer)
            continue;
        tine__work_refuse(v, (struct gm_text){w->handle, strlen(w->handle)});
        tine__work_abandon(s, w);
    }
}

void tine__peer_free(struct serve *s, struct peer *peer) {
    tine__crew_unref(s, peer->crew);
    free(peer);
}

/* The submitter has gone, and its line with it. */
static void gone(struct serve *s, struct server *v, struct peer *peer) {
    tine__peer_lose(s, v, peer, "it has gone");
    list_remove(&peer->node);
    tine__peer_free(s, peer);
}

static struct peer *peer_of(struct server *v, struct gm_text handle) {
    for (struct list *n = v->peers.next; n != &v->peers; n = n->next) {
        struct peer *peer = LIST_ITEM(n, struct peer, node);
        if (tine__gm_is(handle, peer->handle))
            return peer;
    }
    return NULL;
}

static void created(struct server *v, struct gm_text handle) {
    struct list *n = list_pop(&v->opening);
    if (!n)
        return;
    struct peer *peer = LIST_ITEM(n, struct peer, node);
    if (handle.n < GM_HANDLE)
        memcpy(peer->handle, handle.p, handle.n);
    list_push(&v->peers, &peer->node);
}

/* --- orders --- */

static struct work *work_of(struct server *v, const struct peer *peer, const char *unique) {
    for (struct list *n = v->works.next; n != &v->works; n = n->next) {
        struct work *w = LIST_ITEM(n, struct work, node);
        if (w->peer == peer && memcmp(w->unique, unique, sizeof w->unique) == 0)
            return w;
    }
    return NULL;
}

/* Stop the task as the order wants: by its time limit, by abort, or by force. */
static void stop(struct serve *s, struct work *w, enum gm_order_kind how) {
    if (w->stage != WORK_BEGUN) {
        tine__work_drop(s, w);
        return;
    }
    w->stopped = true;
    if (how == SAY_KILL)
        tine__item_kill(s->pool, &w->item);
    else if (w->task.head.count == 1 && how == SAY_STOP)
        tine__task_abort(s->pool, &w->item);
    else
        tine__item_expire(s->pool, &w->item);
    tine__watch_begun(s, w);
}

static void drop_value(struct serve *s, const char *bytes, uint64_t length) {
    struct gm_reader r = {bytes, length};
    uint64_t id;
    if (tine__gm_copy(&r, &id, sizeof id))
        tine__blob_drop(s->blobs, id);
}

static void tell(struct serve *s, struct work *w) {
    tine__answer_progress(s, w);
    tine__answer_say(s, w, false);
}

static void grant(struct serve *s, struct work *w, const char *bytes, uint64_t length) {
    struct gm_reader r = {bytes, length};
    struct gm_grant g;
    if (w->stage == WORK_BEGUN && tine__gm_copy(&r, &g, sizeof g))
        tine__events_allow(s->pool, &w->item, g.k, g.number);
}

static void written(struct serve *s, struct work *w, const char *bytes, uint64_t length) {
    struct gm_reader r = {bytes, length};
    uint64_t n;
    if (w->stage == WORK_BEGUN && tine__gm_copy(&r, &n, sizeof n))
        tine__item_written(s->pool, &w->item, n);
}

static void recall(struct serve *s, struct work *w) {
    if (w->stage != WORK_BEGUN)
        return;
    tine__item_cancel(s->pool, &w->item);
    tine__watch_begun(s, w);
}

/* The oldest moment (tine__blobs_now) at which the blobs of a task that waits for confirmation were
** looked up. */
static uint64_t looked_since(const struct serve *s) {
    uint64_t since = tine__blobs_now(s->blobs);
    for (unsigned i = 0; i < s->nservers; i++)
        for (const struct list *n = s->servers[i].works.next; n != &s->servers[i].works;
             n = n->next) {
            const struct work *w = LIST_ITEM(n, struct work, node);
            if (w->stage == WORK_ASKED && w->looked < since)
                since = w->looked;
        }
    return since;
}

/* Send a sign of life, on any task of the submitter. */
static void say_alive(struct serve *s, struct server *v, const struct peer *peer) {
    for (struct list *n = v->works.next; n != &v->works; n = n->next) {
        struct work *w = LIST_ITEM(n, struct work, node);
        if (w->peer != peer)
            continue;
        tine__answer(w, ANSWER_ALIVE, 0, NULL, 0);
        tine__answer_say(s, w, false);
        return;
    }
}

static void obey(struct serve *s, struct server *v, struct peer *peer, const struct gm_order *o,
                 const char *bytes) {
    struct work *w = work_of(v, peer, o->unique);
    if (o->kind == SAY_CODE)
        tine__blob_keep(s->blobs, (struct gm_reader){bytes, o->length}, looked_since(s));
    else if (o->kind == SAY_ERRAND)
        tine__crew_hear(s, peer, (struct gm_reader){bytes, o->length});
    else if (o->kind == SAY_DROP)
        drop_value(s, bytes, o->length);
    else if (o->kind == SAY_PING)
        say_alive(s, v, peer);
    else if (!w)
        return;
    else if (o->kind == SAY_GO)
        tine__work_begin(s, w);
    else if (o->kind == SAY_NO && w->stage == WORK_ASKED)
        tine__work_drop(s, w);
    else if (o->kind == SAY_TELL)
        tell(s, w);
    else if (o->kind == SAY_GRANT)
        grant(s, w, bytes, o->length);
    else if (o->kind == SAY_WRITTEN)
        written(s, w, bytes, o->length);
    else if (o->kind == SAY_RECALL)
        recall(s, w);
    else if (o->kind >= SAY_LATE && o->kind <= SAY_KILL)
        stop(s, w, o->kind);
}

/* A submitter has sent orders on its line. */
static void ordered(struct serve *s, struct server *v, const struct gm_packet *p) {
    struct gm_about about;
    struct gm_order o;
    unsigned key;
    struct peer *peer = peer_of(v, p->arg[0]);
    if (!peer)
        return;
    if (!tine__unseal(&s->o->keys,
                      tine__gm_about(&about, KIND_ORDERS, v->id, peer->unique, peer->said),
                      p->arg[1].p, p->arg[1].n, &s->plain, &key)) {
        tine__gm_close(&v->conn); /* messages may be missing: start afresh with a new connection */
        tine__server_lose(s, v, "what a submitter says there cannot be verified");
        return;
    }
    peer->said++;
    peer->heard = v->conn.heard;
    struct gm_reader r = {s->plain.data, s->plain.len};
    while (tine__gm_copy(&r, &o, sizeof o)) {
        const char *bytes = tine__gm_take(&r, o.length);
        if (!bytes)
            return;
        obey(s, v, peer, &o, bytes);
    }
}

/* --- servers --- */

void tine__grab(struct serve *s, struct server *v) {
    unsigned room = serve_room(s);
    if (!gm_is_open(&v->conn) || v->asleep || v->dry)
        return;
    for (; room > 0 && v->grabs < PIPELINE; room--, v->grabs++)
        tine__gm_send(&v->conn, GM_GRAB_JOB_UNIQ, 0, NULL);
}

/* The server has no job for us; it wakes us when that changes. */
static void nothing(struct server *v) {
    v->grabs -= v->grabs > 0;
    v->dry = true;
    if (v->grabs > 0 || v->asleep)
        return;
    v->asleep = true;
    tine__gm_send(&v->conn, GM_PRE_SLEEP, 0, NULL);
}

/* The server has told its version, "OK 1.1.20". Other line-based servers are no job servers. */
static void known(struct serve *s, struct server *v, struct gm_text line) {
    if (v->known || line.n < 3 || memcmp(line.p, "OK ", 3) != 0)
        return;
    v->pause = 0;
    v->known = true;
    v->told = false;
    if (!s->registered && s->o->registered)
        s->o->registered(s->o->arg);
    s->registered = true;
    tine__serve_log(s, "connected to %s", v->conn.address->name);
}

static void packet(struct serve *s, struct server *v, const struct gm_packet *p) {
    struct peer *peer;
    switch (p->type) {
    case GM_TEXT:
        known(s, v, p->arg[0]);
        break;
    case GM_NOOP:
        v->asleep = v->dry = false;
        break;
    case GM_NO_JOB:
        nothing(v);
        break;
    case GM_JOB_CREATED:
        created(v, p->arg[0]);
        break;
    case GM_JOB_ASSIGN_UNIQ:
        v->grabs -= v->grabs > 0;
        v->dry = false;
        tine__work_take(s, v, p);
        break;
    case GM_WORK_DATA:
        ordered(s, v, p);
        break;
    case GM_WORK_FAIL:
    case GM_WORK_COMPLETE:
        if ((peer = peer_of(v, p->arg[0])))
            gone(s, v, peer);
        break;
    default:
        break;
    }
}

void tine__hear(struct serve *s, struct server *v) {
    struct gm_packet p;
    while (tine__gm_receive(&v->conn, &p, tine__now())) {
        packet(s, v, &p);
        tine__grab(s, v);
    }
    tine__grab(s, v);
    tine__gm_flush(&v->conn);
}
