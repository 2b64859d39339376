/* The far site: calls, how they are sent, taken back and forgotten. */
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "sched/task.h"
#include "site/far/internal.h"

/* calls sent while no host is known, so that the first one finds something to do */
#define UNKNOWN_WINDOW 4

unsigned tine__far_slots(const struct site *s) {
    const struct far *f = (const struct far *)s;
    unsigned slots = 0;
    for (unsigned i = 0; i < f->nservers; i++) /* each host is connected to each server */
        if (f->servers[i].slots > slots)
            slots = f->servers[i].slots;
    return slots;
}

/* The most calls that may be under way. */
static unsigned window_of(const struct far *f) {
    unsigned slots = tine__far_slots(&f->base);
    unsigned window = f->o.window ? f->o.window : slots ? 2 * slots : UNKNOWN_WINDOW;
    return window < FAR_SLOTS ? window : FAR_SLOTS;
}

/* The connected server with the least to do, preferably one with hosts; NULL: none is connected. */
static struct far_server *choose(const struct far *f) {
    const struct far_server *best = NULL;
    for (unsigned i = 0; i < f->nservers; i++) {
        const struct far_server *v = &f->servers[i];
        bool there = gm_is_open(&v->conn);
        if (there && (!best || (v->hosts > 0) > (best->hosts > 0) ||
                      ((v->hosts > 0) == (best->hosts > 0) && v->nsent < best->nsent)))
            best = v;
    }
    return (struct far_server *)best;
}

bool tine__far_has_room(const struct far *f) {
    return f->nsent < window_of(f) && choose(f) != NULL;
}

/* --- calls --- */

int tine__far_ids(const struct store_reach *r, struct buf *out) {
    int err = 0;
    for (size_t i = 0; i < r->n && !err; i++)
        err = buf_append(out, &r->list[i]->id, sizeof r->list[i]->id);
    return err;
}

/* The message that sends a call, which leads to `names`. 0 or TINE_ENOMEM. */
static int describe(const struct far *f, const struct order *o, const struct site_call *call,
                    const struct store_reach *names, struct buf *out) {
    const struct settings *set = o->task->set;
    struct gm_task t = {.confirm = f->o.confirm,
                        .lost_after = f->o.lost_after,
                        .head = *call->head,
                        .timeout = set->timeout,
                        .grace = set->grace,
                        .cpu = set->cpu,
                        .event_buffer = f->event_buffer,
                        .priority = set->priority,
                        .errands = f->nerrands,
                        .nnames = names->n};
    memcpy(t.peer, f->id, sizeof t.peer);
    t.head.offset = 0;
    out->len = 0;
    int err = buf_append(out, &t, sizeof t);
    if (!err)
        err = tine__far_ids(names, out);
    return err ? err : buf_append(out, call->bytes, call->head->length);
}

static enum gm_type job_type(int64_t priority) {
    return priority > 0 ? GM_SUBMIT_JOB_HIGH : priority < 0 ? GM_SUBMIT_JOB_LOW : GM_SUBMIT_JOB;
}

static bool submit(struct far *f, struct far_sending *s, const struct order *o) {
    struct gm_about about;
    f->sealed.len = 0;
    if (tine__seal(&f->o.keys, 0, tine__gm_about(&about, KIND_TASK, f->function, s->unique, 0),
                   f->call.data, f->call.len, &f->sealed))
        return false;
    const struct gm_text args[] = {{f->function, strlen(f->function)},
                                   {s->unique, GM_UNIQUE - 1},
                                   {f->sealed.data, f->sealed.len}};
    return tine__gm_send(&s->server->conn, job_type(o->task->set->priority), 3, args);
}

/* Put the call into `f->call`. 0; TINE_ENOMEM, also if it is too large for a message. */
static int prepare(struct far *f, const struct order *o, const struct site_call *call) {
    struct store_reach names;
    int err = tine__store_reach(call->refs, &names);
    if (!err)
        err = describe(f, o, call, &names, &f->call);
    tine__store_reach_free(&names);
    return err || f->call.len <= GM_MESSAGE ? err : TINE_ENOMEM;
}

static struct far_sending *new_sending(const struct far *f, struct far_server *v,
                                       const struct site_call *call) {
    struct far_sending *s = sys.calloc(1, sizeof *s);
    if (!s)
        return NULL;
    list_init(&s->bucket);
    list_init(&s->at);
    list_init(&s->prints);
    tine__buf_init(&s->held);
    s->prints_k = UINT32_MAX;
    s->server = v;
    s->ref = call->head->ref;
    s->count = call->head->count;
    s->id = call->head->id;
    s->refs = call->refs;
    s->granted = f->event_buffer;
    return s;
}

int tine__far_run(struct far *f, const struct order *o, const struct site_call *call) {
    struct far_server *v = choose(f);
    if (!tine__far_has_room(f)) {
        f->refused = true;
        return TINE_EAGAIN;
    }
    struct far_sending *s = new_sending(f, v, call);
    if (!s)
        return TINE_ENOMEM;
    s->stage = f->o.confirm ? FAR_SENT : FAR_CONFIRMED;
    if (!tine__gm_unique(s->unique) || prepare(f, o, call) || !submit(f, s, o)) {
        free(s);
        return TINE_ENOMEM;
    }
    list_push(&v->unnamed, &s->node);
    f->by_ref[s->ref] = s;
    v->nsent++;
    f->nsent++;
    return 0;
}

void tine__far_forget(struct far *f, struct far_sending *s) {
    if (s->dead)
        return;
    if (f->by_ref[s->ref] == s)
        f->by_ref[s->ref] = NULL;
    tine__far_print_no_more(f, s);
    if (s->line)
        s->line->running--;
    list_remove(&s->at);
    s->line = NULL; /* it may be freed before the sending is */
    s->server->nsent--;
    f->nsent--;
    s->dead = true;
    s->refs = NULL;
    f->nolds++;
}

void tine__far_free(struct far *f, struct far_sending *s) {
    tine__far_forget(f, s);
    f->nolds--;
    if (f->reading == s)
        f->reading = NULL;
    list_remove(&s->bucket);
    list_remove(&s->node);
    list_remove(&s->prints);
    tine__buf_free(&s->held);
    tine__far_output_unref(s->output);
    free(s);
}

/* The sending is not wanted any more. A host that is given it will ask, and be refused. Only when
** there may be no host for long is the server told to drop it: a host that was given it just now
** would not hear of it. */
void tine__far_cancel(struct far *f, struct far_sending *s) {
    bool vain = s->server->hosts == 0 || f->nolds >= FAR_OLDS;
    if (vain && s->handle[0]) {
        char line[GM_HANDLE + 16];
        snprintf(line, sizeof line, "cancel job %s\r\n", s->handle);
        tine__gm_say(&s->server->conn, line);
    }
    tine__far_forget(f, s);
}

/* --- orders --- */

void tine__far_want(struct far *f, struct far_sending *s, enum gm_order_kind kind) {
    tine__far_hurry(f, s);
    if (s->wanted >= kind)
        return;
    s->wanted = (uint8_t)kind;
    if (s->line)
        tine__far_order(s->line, kind, s->unique, NULL, 0);
}

void tine__far_meet(struct far_sending *s, struct far_line *l) {
    s->line = l;
    s->host = l->name;
    l->running++;
    list_push(&l->sendings, &s->at);
    if (s->wanted)
        tine__far_order(l, s->wanted, s->unique, NULL, 0);
}
