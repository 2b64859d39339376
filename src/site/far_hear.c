/* The far site: what comes in, and the reports that it makes.
**
** All of it is foreign input: a packet that makes no sense closes the connection, a message that cannot be verified loses
** its task, and what comes for a task that is not there is not looked at.
*/
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/hash.h"
#include "base/sys.h"
#include "base/text.h"
#include "site/far_internal.h"

#define UNVERIFIED "what came back for it cannot be verified"

/* --- news: reports that wait --- */

static struct far_news *add_news(struct far *f, const struct report *r, uint32_t more,
                                 const char *text) {
    size_t n = text ? strlen(text) : 0;
    struct far_news *news = sys.calloc(1, sizeof *news + n + 1);
    if (!news) /* the pool has no memory for anything: let it end */
        return f->ending = true, NULL;
    news->r = *r;
    news->more = more;
    if (text) {
        memcpy(news->bytes, text, n + 1);
        news->r.bytes = news->bytes;
        news->r.length = n;
    }
    list_push(&f->news, &news->node);
    return news;
}

void tine__far_tell(struct far *f, enum report_kind kind, const char *text) {
    const struct report r = {.kind = kind, .worker = FAR_WORKER};
    add_news(f, &r, 0, text);
}

/* Of its first task that has not ended. */
static struct report report_of(const struct far_sending *s, enum report_kind kind) {
    return (struct report){.kind = kind,
                           .worker = FAR_WORKER,
                           .ref = s->ref,
                           .id = s->id + s->next,
                           .host = s->line ? s->line->name : NULL,
                           .server = s->server->conn.address->name};
}

void tine__far_lose(struct far *f, struct far_sending *s, const char *why) {
    struct report r = report_of(s, REPORT_AWAY);
    if (s->dead)
        return;
    if (s->next < s->count)
        add_news(f, &r, s->count - s->next - 1, why);
    tine__far_forget(f, s);
}

/* How often has this task come back? */
static unsigned count_bounce(struct far *f, const struct far_sending *s) {
    uint64_t id = s->id + s->next, i = id % FAR_BOUNCES;
    if (f->bounces[i].id != id) {
        f->bounces[i].id = id;
        f->bounces[i].n = 0;
    }
    return ++f->bounces[i].n;
}

void tine__far_bounce(struct far *f, struct far_sending *s) {
    if (s->dead)
        return;
    if (count_bounce(f, s) > FAR_BOUNCES_MOST) {
        tine__far_lose(f, s, "whoever is given it hands it back");
        return;
    }
    struct report r = report_of(s, REPORT_STOPPED);
    add_news(f, &r, 0, NULL);
    tine__far_forget(f, s);
}

/* --- hosts --- */

static struct far_line *find_line(struct far_server *v, const char *host) {
    for (struct list *n = v->lines.next; n != &v->lines; n = n->next) {
        struct far_line *l = LIST_ITEM(n, struct far_line, node);
        if (memcmp(l->host, host, sizeof l->host) == 0)
            return l;
    }
    return NULL;
}

/* The line of this host, which may have to come yet. NULL: no memory. */
static struct far_line *need_line(struct far_server *v, const char *host) {
    struct far_line *l = find_line(v, host);
    if (l || !(l = sys.calloc(1, sizeof *l)))
        return l;
    list_init(&l->sendings);
    tine__buf_init(&l->orders);
    memcpy(l->host, host, sizeof l->host);
    l->name = "?";
    l->server = v;
    l->heard = v->conn.heard;
    list_push(&v->lines, &l->node);
    return l;
}

static void free_line(struct far_line *l) {
    for (struct list *n = l->sendings.next; n != &l->sendings; n = n->next)
        LIST_ITEM(n, struct far_sending, at)->line = NULL;
    while (!list_empty(&l->sendings))
        list_pop(&l->sendings);
    list_remove(&l->node);
    tine__buf_free(&l->orders);
    free(l);
}

void tine__far_lose_line(struct far *f, struct far_line *l, const char *why) {
    while (!list_empty(&l->sendings))
        tine__far_lose(f, LIST_ITEM(l->sendings.next, struct far_sending, at), why);
    if (l->handle[0]) { /* should it come back: what it runs nobody wants */
        const struct gm_text args[] = {{l->handle, strlen(l->handle)}};
        tine__gm_send(&l->server->conn, GM_WORK_FAIL, 1, args);
    }
    free_line(l);
}

/* A host opens its line. False: it is none of ours. */
static bool begin_line(struct far *f, struct far_server *v, const struct gm_packet *p) {
    struct gm_about about;
    struct gm_line said;
    struct gm_reader r;
    unsigned key;
    char unique[GM_UNIQUE];
    if (p->arg[2].n != GM_UNIQUE - 1 || p->arg[0].n >= GM_HANDLE)
        return false;
    memcpy(unique, p->arg[2].p, GM_UNIQUE - 1);
    unique[GM_UNIQUE - 1] = 0;
    if (!tine__unseal(&f->o.keys, tine__gm_about(&about, KIND_LINE, f->line_function, unique, 0),
                      p->arg[3].p, p->arg[3].n, &f->plain, &key))
        return false;
    r = (struct gm_reader){f->plain.data, f->plain.len};
    if (!tine__gm_copy(&r, &said, sizeof said) || !tine__gm_is_text(said.host, sizeof said.host) ||
        !memchr(said.name, 0, sizeof said.name))
        return false;
    struct far_line *l = need_line(v, said.host);
    const char *name = tine__text_keep(said.name);
    if (!l || !name || l->handle[0]) /* one is enough; a second one is a recorded one */
        return false;
    memcpy(l->unique, unique, sizeof l->unique);
    memcpy(l->handle, p->arg[0].p, p->arg[0].n);
    l->name = name;
    l->slots = said.slots;
    l->heard = v->conn.heard;
    if (v->hosts == 0) {
        v->hosts = 1;
        v->slots = said.slots;
    }
    return true;
}

static void assigned(struct far *f, struct far_server *v, const struct gm_packet *p) {
    if (!begin_line(f, v, p))
        tine__gm_send(&v->conn, GM_WORK_FAIL, 1, p->arg);
    tine__gm_send(&v->conn, GM_GRAB_JOB_UNIQ, 0, NULL);
}

/* --- what the server says --- */

static struct list *bucket_of(struct far *f, struct gm_text handle) {
    while (handle.n > 0 && handle.p[handle.n - 1] == 0)
        handle.n--;
    return &f->buckets[tine__hash(handle.p, handle.n) % FAR_BUCKETS];
}

static struct far_sending *find(struct far *f, const struct far_server *v, struct gm_text handle) {
    struct list *bucket = bucket_of(f, handle);
    for (struct list *n = bucket->next; n != bucket; n = n->next) {
        struct far_sending *s = LIST_ITEM(n, struct far_sending, bucket);
        if (s->server == v && tine__gm_is(handle, s->handle))
            return s;
    }
    return NULL;
}

/* The oldest one without a handle has this one. */
static void created(struct far *f, struct far_server *v, struct gm_text handle) {
    struct list *n = list_pop(&v->unnamed);
    if (!n)
        return;
    struct far_sending *s = LIST_ITEM(n, struct far_sending, node);
    list_push(&v->sendings, &s->node);
    if (handle.n == 0 || handle.n >= GM_HANDLE) {
        tine__far_bounce(f, s);
        tine__far_free(f, s);
        return;
    }
    memcpy(s->handle, handle.p, handle.n);
    list_push(bucket_of(f, handle), &s->bucket);
    if (s->dead)
        tine__far_cancel(f, s);
}

/* The server has refused the oldest one: its queue is full. */
static void refused(struct far *f, struct far_server *v) {
    struct list *n = list_pop(&v->unnamed);
    if (!n)
        return;
    struct far_sending *s = LIST_ITEM(n, struct far_sending, node);
    tine__far_bounce(f, s);
    tine__far_free(f, s);
}

/* It is over, without a result: its host has gone, or has refused it. */
static void failed(struct far *f, struct far_sending *s) {
    if (s->stage == FAR_SENT)
        tine__far_bounce(f, s);
    else
        tine__far_lose(f, s, "its host has gone");
    tine__far_free(f, s);
}

/* --- what hosts say --- */

/* Its host asks whether it is to begin, and for what it lacks. */
static void asked(struct far *f, struct far_sending *s, const char *ids, uint64_t length) {
    struct far_line *l = f->from;
    bool may = !s->dead && !f->stranger;
    for (uint64_t i = 0; may && i + 8 <= length; i += 8) {
        uint64_t id;
        memcpy(&id, ids + i, sizeof id);
        tine__far_code(l, s->refs, id);
    }
    if (may)
        tine__far_tell_errands(f, l);
    if (may && s->stage == FAR_SENT)
        s->stage = FAR_CONFIRMED;
    tine__far_order(l, may ? SAY_GO : SAY_NO, s->unique, NULL, 0);
    if (may && !s->line)
        tine__far_meet(s, l);
}

/* Its host has begun it without being told to. */
static void met(struct far_sending *s, struct far_line *l) {
    if (!s->line && !s->dead && s->stage != FAR_SENT)
        tine__far_meet(s, l);
}

/* Open what a host says of the sending, and see who it is. False: it cannot be verified. */
static bool open_answers(struct far *f, struct far_sending *s, const struct gm_packet *p) {
    struct gm_about about;
    char host[GM_SPEAKER];
    unsigned key;
    struct gm_reader r = {p->arg[1].p, p->arg[1].n};
    if (!tine__gm_copy(&r, host, sizeof host) || !tine__gm_is_text(host, sizeof host))
        return false;
    f->stranger = s->heard > 0 && memcmp(host, s->speaker, sizeof host) != 0;
    if (!tine__unseal(
            &f->o.keys,
            tine__gm_about(&about, KIND_ANSWERS, host, s->unique, f->stranger ? 0 : s->heard), r.p,
            r.n, &f->plain, &key))
        return false;
    f->answers = (struct gm_reader){f->plain.data, f->plain.len};
    if (!(f->from = need_line(s->server, host)))
        return false;
    f->from->heard = s->server->conn.heard;
    if (f->stranger)
        return true;
    memcpy(s->speaker, host, sizeof host);
    s->heard++;
    met(s, f->from);
    return true;
}

static void heard(struct far *f, struct far_server *v, const struct gm_packet *p, bool last) {
    struct far_sending *s = find(f, v, p->arg[0]);
    if (!s)
        return;
    if (open_answers(f, s, p)) {
        f->reading = s;
        f->last = last;
        return;
    }
    if (!s->dead && s->line)
        tine__far_order(s->line, SAY_STOP, s->unique, NULL, 0);
    tine__far_lose(f, s, UNVERIFIED);
    if (last)
        tine__far_free(f, s);
}

/* --- reading answers --- */

static const uint8_t kinds[ANSWER_KINDS] = {
    [ANSWER_VALUES] = REPORT_VALUES,     [ANSWER_ERROR] = REPORT_ERROR,
    [ANSWER_REFUSED] = REPORT_REFUSED,   [ANSWER_MEMORY] = REPORT_MEMORY,
    [ANSWER_ENDED] = REPORT_ENDED,       [ANSWER_TIMEOUT] = REPORT_TIMEOUT,
    [ANSWER_CPU] = REPORT_CPU,           [ANSWER_CRASHED] = REPORT_CRASHED,
    [ANSWER_LOST] = REPORT_AWAY,         [ANSWER_STOPPED] = REPORT_STOPPED,
    [ANSWER_PROGRESS] = REPORT_PROGRESS, [ANSWER_OUTPUT] = REPORT_OUTPUT,
    [ANSWER_EVENT] = REPORT_EVENT,       [ANSWER_FAULT] = REPORT_FAULT};

/* It is the end of the task that is due, or of no task. False: it makes no sense. */
static bool fits(const struct far_sending *s, const struct gm_answer *a) {
    if (a->kind == ANSWER_NONE || a->kind >= ANSWER_KINDS)
        return false;
    if (a->kind == ANSWER_CRASHED && a->length != sizeof(struct report_crash))
        return false;
    return kinds[a->kind] == REPORT_NONE || (a->k == s->next && a->k < s->count);
}

static void answer(const struct far *f, struct far_sending *s, const struct gm_answer *a,
                   const char *bytes, struct report *r) {
    *r = report_of(s, kinds[a->kind]);
    r->bytes = bytes;
    r->length = a->length;
    r->there = a->worker;
    r->pid = a->pid;
    if (r->kind == REPORT_EVENT)
        r->number = s->events++;
    if (r->kind == REPORT_FAULT && !tine__far_fault(f, r))
        r->kind = REPORT_NONE;
    if (report_is_result(r)) {
        s->events = 0;
        s->granted = f->event_buffer;
        r->ended = a->ran ? tine__now() : 0;
        r->started = r->ended - a->ran;
        s->next++;
        if (s->line)
            s->line->tasks++;
    }
}

/* All that it had to say in this message was read. */
static void end_reading(struct far *f) {
    struct far_sending *s = f->reading;
    f->reading = NULL;
    if (!f->last)
        return;
    if (s->next < s->count)
        tine__far_lose(f, s, "its host has ended it without a result");
    tine__far_free(f, s);
}

static void begun(struct far_sending *s) {
    if (s->stage != FAR_CONFIRMED)
        return;
    s->stage = FAR_BEGUN;
    s->begun = tine__now();
}

/* The next answer of the message at hand; a report, perhaps. */
static bool read_answer(struct far *f, struct report *r) {
    struct far_sending *s = f->reading;
    struct gm_answer a;
    if (f->answers.n == 0) {
        end_reading(f);
        return false;
    }
    const char *bytes =
        tine__gm_copy(&f->answers, &a, sizeof a) ? tine__gm_take(&f->answers, a.length) : NULL;
    bool heeded = !s->dead && !f->stranger;
    if (!bytes || (heeded && !fits(s, &a))) {
        f->answers.n = 0;
        tine__far_lose(f, s, UNVERIFIED);
        return false;
    }
    if (a.kind == ANSWER_ASK)
        asked(f, s, bytes, a.length);
    if (a.kind == ANSWER_BEGUN || a.kind == ANSWER_EVENT)
        begun(s);
    if (a.kind == ANSWER_PROGRESS)
        s->telling = false;
    if (!heeded || kinds[a.kind] == REPORT_NONE || (a.kind == ANSWER_PROGRESS && a.length == 0))
        return false;
    answer(f, s, &a, bytes, r);
    if (a.kind == ANSWER_STOPPED || s->next == s->count)
        tine__far_forget(f, s);
    return true;
}

/* --- the registry --- */

/* "slots/name" is what hosts call themselves. */
static unsigned slots_of(struct gm_text id) {
    unsigned slots = 0;
    for (size_t i = 0; i < id.n && id.p[i] >= '0' && id.p[i] <= '9' && slots < 100000; i++)
        slots = 10 * slots + (unsigned)(id.p[i] - '0');
    return slots;
}

static struct gm_text next_word(struct gm_text *line) {
    while (line->n > 0 && *line->p == ' ') {
        line->p++;
        line->n--;
    }
    struct gm_text word = {line->p, 0};
    while (word.n < line->n && word.p[word.n] != ' ')
        word.n++;
    line->p += word.n;
    line->n -= word.n;
    return word;
}

/* "FD ADDRESS ID : FUNCTION ..." of all who are connected, then "." */
static void listed(struct far *f, struct far_server *v, struct gm_text line) {
    if (tine__gm_is(line, ".")) {
        v->hosts = v->counted;
        v->slots = v->counted_slots;
        v->counted = v->counted_slots = 0;
        return;
    }
    next_word(&line);
    next_word(&line);
    struct gm_text id = next_word(&line), word = next_word(&line);
    if (!tine__gm_is(word, ":"))
        return;
    while ((word = next_word(&line)).n > 0)
        if (tine__gm_is(word, f->function)) {
            v->counted++;
            v->counted_slots += slots_of(id);
            break;
        }
}

/* --- all of it --- */

static void packet(struct far *f, struct far_server *v, const struct gm_packet *p) {
    struct far_sending *s;
    switch (p->type) {
    case GM_TEXT:
        listed(f, v, p->arg[0]);
        break;
    case GM_JOB_CREATED:
        created(f, v, p->arg[0]);
        break;
    case GM_ERROR:
        if (tine__gm_is(p->arg[0], "QUEUE_ERROR"))
            refused(f, v);
        break;
    case GM_NOOP:
        tine__gm_send(&v->conn, GM_GRAB_JOB_UNIQ, 0, NULL);
        break;
    case GM_JOB_ASSIGN_UNIQ:
        assigned(f, v, p);
        break;
    case GM_NO_JOB:
        tine__gm_send(&v->conn, GM_PRE_SLEEP, 0, NULL);
        break;
    case GM_WORK_FAIL:
        if ((s = find(f, v, p->arg[0])))
            failed(f, s);
        break;
    case GM_WORK_DATA:
    case GM_WORK_COMPLETE:
        heard(f, v, p, p->type == GM_WORK_COMPLETE);
        break;
    default:
        break;
    }
}

void tine__far_greet(struct far *f, struct far_server *v) {
    char id[GM_UNIQUE + 8];
    snprintf(id, sizeof id, "tine/%s", f->id);
    const struct gm_text name = {id, strlen(id)};
    const struct gm_text function = {f->line_function, strlen(f->line_function)};
    v->pause = 0;
    v->why[0] = 0;
    v->counted = v->counted_slots = 0;
    v->asked = tine__now();
    tine__gm_send(&v->conn, GM_SET_CLIENT_ID, 1, &name);
    tine__gm_send(&v->conn, GM_CAN_DO, 1, &function);
    tine__gm_send(&v->conn, GM_PRE_SLEEP, 0, NULL);
    tine__gm_say(&v->conn, "workers\n");
}

/* What had begun there is lost, the rest waits again. */
void tine__far_lose_server(struct far *f, struct far_server *v) {
    char why[128];
    struct list *const both[] = {&v->sendings, &v->unnamed};
    snprintf(why, sizeof why, "the job server %.90s was lost", v->conn.address->name);
    for (int i = 0; i < 2; i++)
        while (!list_empty(both[i])) {
            struct far_sending *s = LIST_ITEM(both[i]->next, struct far_sending, node);
            if (s->stage == FAR_SENT)
                tine__far_bounce(f, s);
            else
                tine__far_lose(f, s, why);
            tine__far_free(f, s);
        }
    while (!list_empty(&v->lines))
        free_line(LIST_ITEM(v->lines.next, struct far_line, node));
    v->hosts = v->slots = 0;
    v->again = tine__now() + v->pause;
    v->pause = v->pause ? (v->pause < FAR_SECOND ? 2 * v->pause : v->pause) : 50 * FAR_MILLISECOND;
    snprintf(v->why, sizeof v->why, "%.100s: %s", v->conn.address->name,
             v->conn.error ? strerror(v->conn.error) : "it has closed the connection");
}

/* The next report that waits. */
static bool next_news(struct far *f, struct report *r) {
    free(f->told);
    f->told = NULL;
    if (list_empty(&f->news))
        return false;
    struct far_news *news = LIST_ITEM(f->news.next, struct far_news, node);
    *r = news->r;
    if (news->more > 0) {
        news->more--;
        news->r.id++;
    } else {
        list_remove(&news->node);
        f->told = news; /* its bytes are being looked at */
    }
    return true;
}

/* Read packets until there is something to be reported or read further. False: there is nothing. */
static bool read_packet(struct far *f) {
    struct gm_packet p;
    for (unsigned i = 0; i < f->nservers; i++) {
        struct far_server *v = &f->servers[i];
        bool open = v->conn.fd != -1;
        if (tine__gm_receive(&v->conn, &p, tine__now())) {
            packet(f, v, &p);
            return true;
        }
        if (open && v->conn.fd == -1) {
            tine__far_lose_server(f, v);
            return true;
        }
    }
    return false;
}

bool tine__far_hear(struct far *f, struct report *r) {
    for (;;) {
        if (next_news(f, r))
            return true;
        if (f->reading) {
            if (read_answer(f, r))
                return true;
        } else if (!read_packet(f)) {
            return false;
        }
    }
}
