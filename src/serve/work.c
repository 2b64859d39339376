/* A submitter's task: from the job that a server assigns to the item that the pool runs. */
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "msg/extra.h"
#include "serve/internal.h"

#define MOST_TASKS (1u << 24) /* limit for a chunk */
#define NO_CODE \
    "this host runs only functions of modules that are installed there (tine serve --allow modules), and the call, or what its pool runs in each worker before it, carries code"
#define NOT_KEPT \
    "this host could not keep all functions and values that the call names, or what its pool runs in each worker before it"

/* --- taking jobs --- */

void tine__work_refuse(struct server *v, struct gm_text handle) {
    tine__gm_send(&v->conn, GM_WORK_FAIL, 1, &handle);
}

/* The job cannot be verified. If it is sealed, perhaps with a key that we lack, its submitter gets
** an answer that it cannot verify either; any other job is handed back. */
static void cannot_verify(struct serve *s, struct server *v, const struct gm_packet *p) {
    bool sealed = p->arg[3].n > 0 && (p->arg[3].p[0] == 'S' || p->arg[3].p[0] == 'P');
    const struct gm_text args[] = {p->arg[0], {v->id, sizeof v->id}};
    tine__serve_log(s, "a job from %s cannot be verified", v->conn.address->name);
    if (sealed)
        tine__gm_send(&v->conn, GM_WORK_COMPLETE, 2, args);
    else
        tine__work_refuse(v, p->arg[0]);
}

/* Is the task valid? */
static bool check(const struct gm_task *t, const struct gm_reader *rest) {
    const struct call_head *h = &t->head;
    uint64_t extra = h->flags & CALL_EXTRA ? sizeof(struct call_extra) : 0;
    return tine__gm_is_text(t->peer, sizeof t->peer) && h->count >= 1 && h->count <= MOST_TASKS &&
           t->nnames <= rest->n / sizeof(uint64_t) &&
           h->length == rest->n - t->nnames * sizeof(uint64_t) && h->label >= extra &&
           (uint64_t)h->label + h->function <= h->length && h->length < UINT32_MAX;
}

/* A work for the task in `plain`. NULL: it is not valid, or no memory. */
static struct work *new_work(struct serve *s) {
    struct gm_task t;
    struct gm_reader r = {s->plain.data, s->plain.len};
    if (!tine__gm_copy(&r, &t, sizeof t) || !check(&t, &r))
        return NULL;
    struct work *w = sys.calloc(1, sizeof *w + t.head.count * sizeof w->outcomes[0]);
    if (!w)
        return NULL;
    w->task = t;
    item_init(&w->item);
    tine__buf_init(&w->rest);
    tine__buf_init(&w->answers);
    if (buf_append(&w->rest, r.p, r.n)) {
        free(w);
        return NULL;
    }
    return w;
}

static struct work *find_work(struct server *v, const char *unique) {
    for (struct list *n = v->works.next; n != &v->works; n = n->next) {
        struct work *w = LIST_ITEM(n, struct work, node);
        if (memcmp(w->unique, unique, sizeof w->unique) == 0)
            return w;
    }
    return NULL;
}

/* Did this host get the job before? Remembers the job. Submitters never send a job twice, but
** somebody who has recorded it may. */
static bool was_seen(struct serve *s, const char *unique) {
    uint64_t id;
    memcpy(&id, unique, sizeof id);
    uint64_t *seen = &s->seen[id % SERVE_SEEN];
    bool was = *seen == id;
    *seen = id;
    return was;
}

static uint64_t name_at(const struct work *w, uint64_t i) {
    uint64_t id;
    memcpy(&id, w->rest.data + i * sizeof id, sizeof id);
    return id;
}

/* Ask the submitter for missing functions and errands, and, if it wants that, for confirmation; or
** begin. */
static void ask_or_begin(struct serve *s, struct work *w) {
    struct buf lacking;
    tine__buf_init(&lacking);
    w->looked = tine__blobs_now(s->blobs);
    for (uint64_t i = 0; i < w->task.nnames; i++) {
        uint64_t id = name_at(w, i);
        if (!tine__blob_find(s->blobs, id))
            buf_append(&lacking, &id, sizeof id);
    }
    bool told = tine__crew_errands(w->peer->crew) >= w->task.errands;
    if (!told && w->peer->lacks)
        w->peer->lacks = buf_append(&lacking, &(uint64_t){0}, sizeof(uint64_t)) != 0;
    if (w->task.confirm || lacking.len > 0 || !told) {
        tine__answer(w, ANSWER_ASK, 0, lacking.data, lacking.len);
        tine__answer_say(s, w, false);
    } else {
        tine__work_begin(s, w);
    }
    tine__buf_free(&lacking);
}

static void enter(struct serve *s, struct server *v, struct work *w, const struct gm_packet *p,
                  struct peer *peer, unsigned key) {
    memcpy(w->handle, p->arg[0].p, p->arg[0].n);
    memcpy(w->unique, p->arg[2].p, GM_UNIQUE - 1);
    w->server = v;
    w->peer = peer;
    w->key = key;
    w->asked = tine__now();
    s->works++;
    list_push(&v->works, &w->node);
    ask_or_begin(s, w);
}

void tine__work_take(struct serve *s, struct server *v, const struct gm_packet *p) {
    struct gm_about about;
    char unique[GM_UNIQUE] = "";
    unsigned key = 0;
    bool ok = p->arg[2].n == GM_UNIQUE - 1 && p->arg[0].n < GM_HANDLE;
    if (ok)
        memcpy(unique, p->arg[2].p, GM_UNIQUE - 1);
    if (!ok || !tine__unseal(&s->o->keys, tine__gm_about(&about, KIND_TASK, s->function, unique, 0),
                             p->arg[3].p, p->arg[3].n, &s->plain, &key)) {
        cannot_verify(s, v, p);
        return;
    }
    struct work *w = find_work(v, unique) ? NULL : new_work(s);
    bool again = w && !w->task.confirm && was_seen(s, unique);
    struct peer *peer = w && !again ? tine__peer_need(s, v, &w->task, key) : NULL;
    if (peer) {
        enter(s, v, w, p, peer, key);
        return;
    }
    if (w)
        tine__buf_free(&w->rest);
    free(w);
    tine__serve_log(s, "a job from %s was refused: it %s", v->conn.address->name,
                    again ? "was here before" : "makes no sense");
    tine__work_refuse(v, p->arg[0]);
}

/* --- submitting to the pool --- */

static uint64_t smaller(uint64_t a, uint64_t b) {
    return a == 0 || (b && b < a) ? b : a;
}

/* The struct call_extra of the call. */
static struct call_extra said_of(const struct work *w) {
    struct call_extra extra = {0};
    if (w->task.head.flags & CALL_EXTRA)
        memcpy(&extra, w->rest.data + w->task.nnames * sizeof(uint64_t), sizeof extra);
    return extra;
}

/* The output mode here: output with a prefix is relayed, since the prefix is added where the
** submitter is. */
static uint8_t output_of(const struct work *w) {
    uint32_t output = said_of(w).output;
    return output == OUTPUT_PREFIX    ? OUTPUT_RELAY
           : output == OUTPUT_CAPTURE ? OUTPUT_CAPTURE
                                      : OUTPUT_INHERIT;
}

/* The settings of the task: the submitter's, within our own limits. NULL: no memory. */
static struct settings *settings_of(const struct serve *s, const struct work *w) {
    const struct gm_task *t = &w->task;
    struct settings set;
    memcpy(&set, &tine__settings_none, sizeof set);
    set.timeout = smaller(t->timeout, s->o->timeout);
    set.cpu = t->cpu;
    set.grace = t->grace;
    set.priority = t->priority;
    set.output = output_of(w);
    return tine__settings_copy(&set, NULL, 0);
}

/* Append the struct call_extra, with our memory limit and output mode. */
static int append_extra(const struct serve *s, struct work *w, const char **p, struct buf *out) {
    struct call_extra extra = said_of(w);
    *p += w->task.head.flags & CALL_EXTRA ? sizeof extra : 0;
    extra.memory = smaller(extra.memory, s->o->memory);
    extra.output = output_of(w);
    return buf_append(out, &extra, sizeof extra);
}

/* Append a struct call_far, and the submitter's and our own numbers of the functions that the call
** names. */
static int append_names(const struct serve *s, struct work *w, struct call_buf *cb) {
    struct call_far far = {.id = w->task.head.id,
                           .event_buffer = w->task.event_buffer,
                           .attempt = call_attempt(&w->task.head),
                           .names = (uint32_t)w->task.nnames};
    tine__crew_describe(w->crew, &far);
    int err = buf_append(&cb->b, &far, sizeof far);
    for (uint64_t i = 0; i < w->task.nnames && !err; i++) {
        struct call_far_name name = {.theirs = name_at(w, i)};
        const struct codec_stored *stored = tine__blob_find(s->blobs, name.theirs);
        if (!stored)
            return TINE_EAGAIN;
        if (s->o->only_modules && stored->code.bytes && !tine__store_is_value(stored))
            return TINE_ESERIALIZE;
        name.ours = stored->id;
        err = tine__store_hold(&cb->refs, stored);
        if (!err)
            err = buf_append(&cb->b, &name, sizeof name);
    }
    return err;
}

static int append_call(const struct serve *s, struct work *w, struct call_buf *cb) {
    const char *p = w->rest.data + w->task.nnames * sizeof(uint64_t), *begin = p;
    int err = append_extra(s, w, &p, &cb->b);
    if (!err)
        err = append_names(s, w, cb);
    return err ? err : buf_append(&cb->b, p, w->task.head.length - (size_t)(p - begin));
}

static void describe(struct serve *s, struct work *w) {
    struct item *item = &w->item;
    item->inbox = &s->inbox;
    item->outcomes = w->outcomes;
    item->settings = w->settings;
    item->owner = w;
    item->task.far = true;
    item->event_buffer = w->task.event_buffer;
    item->task.mute = w->task.head.flags & CALL_MUTE;
    item->task.call.count = w->task.head.count;
    item->name = (struct task_name){.index = w->task.head.index};
}

/* 0; TINE_EAGAIN: a function or errand is missing; or as tine__pool_submit. */
static int submit(struct serve *s, struct work *w) {
    char room[4096];
    struct call_buf cb;
    const struct call_head *h = &w->task.head;
    if (tine__crew_errands(w->peer->crew) < w->task.errands)
        return TINE_EAGAIN;
    if (s->o->only_modules && tine__crew_has_code(w->peer->crew))
        return TINE_ESERIALIZE;
    if (!(w->settings = settings_of(s, w)))
        return TINE_ENOMEM;
    w->crew = tine__crew_ref(w->peer->crew);
    describe(s, w);
    tine__call_buf_init(&cb, s->pool, room, sizeof room);
    int err = append_call(s, w, &cb);
    uint32_t before = h->flags & CALL_EXTRA ? sizeof(struct call_extra) : 0;
    uint32_t label = (uint32_t)sizeof(struct call_extra) + far_size((uint32_t)w->task.nnames) +
                     h->label - before;
    if (!err)
        err = tine__pool_submit(s->pool, &w->item, &cb, label, h->function);
    if (err)
        tine__call_buf_drop(&cb);
    return err;
}

void tine__work_begin(struct serve *s, struct work *w) {
    if (w->stage != WORK_ASKED)
        return;
    int err = submit(s, w);
    if (err == TINE_ESERIALIZE) {
        tine__answer_unrun(s, w, ANSWER_REFUSED, NO_CODE);
        return;
    }
    if (err) {
        tine__answer_unrun(s, w, ANSWER_LOST, err == TINE_EAGAIN ? NOT_KEPT : tine_error_text(err));
        return;
    }
    w->stage = WORK_BEGUN;
    if (w->peer->works++ == 0)
        w->peer->heard = w->server->conn.heard; /* from now on it must give signs of life */
    tine__buf_free(&w->rest);
    s->waiting++;
    s->rest = SERVE_MILLISECOND;
    s->look = tine__now() + s->rest;
}

/* --- ends --- */

void tine__work_free(struct serve *s, struct work *w) {
    if (w->peer && w->stage == WORK_BEGUN)
        w->peer->works--;
    s->waiting -= w->stage == WORK_BEGUN && !w->running;
    s->running -= w->running;
    s->works--;
    list_remove(&w->node);
    for (uint32_t k = 0; k < w->task.head.count; k++)
        tine__outcome_free(&w->outcomes[k]);
    tine__buf_free(&w->rest);
    tine__buf_free(&w->answers);
    tine__outcome_free(&w->event);
    tine__events_unref(w->events);
    tine__settings_unref(w->settings);
    tine__crew_unref(s, w->crew);
    tine__item_drop_rare(&w->item);
    free(w);
}

void tine__work_drop(struct serve *s, struct work *w) {
    tine__work_refuse(w->server, (struct gm_text){w->handle, strlen(w->handle)});
    tine__work_free(s, w);
}

/* Nobody reads its events: drop them, so that no task waits until one is read. */
static void drop_events(const struct serve *s, struct work *w) {
    if (!w->events)
        w->events = tine__item_events(s->pool, &w->item);
    if (w->events)
        tine__events_drop(w->events);
}

void tine__work_abandon(struct serve *s, struct work *w) {
    if (w->stage != WORK_BEGUN) {
        tine__work_free(s, w);
        return;
    }
    if (w->peer)
        w->peer->works--;
    w->peer = NULL;
    w->server = NULL;
    tine__item_written(s->pool, &w->item, UINT64_MAX);
    list_remove(&w->node);
    list_push(&s->orphans, &w->node);
    if (s->o->finish)
        drop_events(s, w);
    else if (w->task.head.count == 1)
        tine__task_abort(s->pool, &w->item);
    else
        tine__item_expire(s->pool, &w->item);
}
