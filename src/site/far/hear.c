/* The far site: what comes in, and the reports it makes.
**
** All of it is foreign input: a packet that makes no sense closes the connection, a message that
** cannot be verified loses its task, and messages about unknown tasks are ignored.
*/
#include <stdio.h>
#include <string.h>
#include "base/hash.h"
#include "base/sys.h"
#include "site/far/internal.h"

static void assigned(struct far *f, struct far_server *v, const struct gm_packet *p) {
    if (!tine__far_begin_line(f, v, p))
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

/* The oldest sending without a handle has this one. */
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

/* The server has refused the oldest sending without a handle: its queue is full. */
static void refused(struct far *f, struct far_server *v) {
    struct list *n = list_pop(&v->unnamed);
    if (!n)
        return;
    struct far_sending *s = LIST_ITEM(n, struct far_sending, node);
    tine__far_bounce(f, s);
    tine__far_free(f, s);
}

/* The sending has ended without a result: its host has gone, or has refused it. */
static void failed(struct far *f, struct far_sending *s) {
    struct far_line *line = s->line;
    if (s->stage == FAR_SENT)
        tine__far_bounce(f, s);
    else
        tine__far_lose(f, s, "its host has gone");
    if (line)
        line->away = true;
    tine__far_free(f, s);
}

/* --- the registry --- */

/* Hosts call themselves "slots/name". */
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

/* Mark the hosts of this name as connected. */
static void see(struct far_server *v, struct gm_text id) {
    while (id.n > 0 && *id.p != '/') {
        id.p++;
        id.n--;
    }
    for (struct list *n = v->lines.next; n != &v->lines && id.n > 1; n = n->next) {
        struct far_line *l = LIST_ITEM(n, struct far_line, node);
        l->seen |= tine__gm_is((struct gm_text){id.p + 1, id.n - 1}, l->name);
    }
}

/* The list is complete: hosts not in it are away, unless they run something for us; a host that has
** come meanwhile will speak. */
static void look_around(struct far_server *v) {
    for (struct list *n = v->lines.next; n != &v->lines; n = n->next) {
        struct far_line *l = LIST_ITEM(n, struct far_line, node);
        l->away |= !l->seen && l->running == 0;
        l->seen = false;
    }
}

/* Is it registered by hosts of our set, but with another version or build? */
static bool is_other(const struct far *f, struct gm_text word) {
    const char *set = f->o.servers.set, *slash = memchr(word.p, '/', word.n);
    const size_t n = strlen(set), at = slash ? (size_t)(slash - word.p) + 1 : 0;
    return at > 0 && word.n > at + n && word.n < GM_FUNCTION && memcmp(word.p, "tine", 4) == 0 &&
           memcmp(word.p + at, set, n) == 0 && word.p[at + n] == '/';
}

/* The server has answered as a job server does. (A balancer in front of one may accept and close
** connections for ever.) */
static void end_of_list(struct far *f, struct far_server *v) {
    v->pause = 0;
    v->why[0] = 0;
    v->hosts = v->counted;
    v->slots = v->counted_slots;
    if (v->hosts > 0)
        f->desert = 0; /* it may be gone again before the next tick */
    v->counted = v->counted_slots = 0;
    memcpy(v->other, v->others, sizeof v->other);
    v->others[0] = 0;
    look_around(v);
}

/* A line "FD ADDRESS ID : FUNCTION ..." for each connected client; "." ends the list. */
static void listed(struct far *f, struct far_server *v, struct gm_text line) {
    if (tine__gm_is(line, ".")) {
        end_of_list(f, v);
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
            see(v, id);
            break;
        } else if (is_other(f, word)) {
            snprintf(v->others, sizeof v->others, "%.*s", (int)word.n, word.p);
        }
}

/* --- packets --- */

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
        if ((s = find(f, v, p->arg[0])))
            tine__far_heard(f, s, p, p->type == GM_WORK_COMPLETE);
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
    snprintf(v->why, sizeof v->why, "%.100s: it does not answer as a job server does",
             v->conn.address->name);
    v->counted = v->counted_slots = 0;
    v->asked = tine__now();
    tine__gm_send(&v->conn, GM_SET_CLIENT_ID, 1, &name);
    tine__gm_send(&v->conn, GM_CAN_DO, 1, &function);
    tine__gm_send(&v->conn, GM_PRE_SLEEP, 0, NULL);
    tine__gm_say(&v->conn, "workers\n");
}

/* Tasks that had begun there are lost, the others wait again. */
void tine__far_lose_server(struct far *f, struct far_server *v) {
    char why[128];
    struct list *const both[] = {&v->sendings, &v->unnamed};
    snprintf(why, sizeof why, "the job server %.90s was lost", v->conn.address->name);
    for (int i = 0; i < 2; i++)
        while (!list_empty(both[i])) {
            struct far_sending *s = LIST_ITEM(both[i]->next, struct far_sending, node);
            if (far_has_ended(s)) { /* it has ended, and only waits for its output */
                list_remove(&s->node);
                list_remove(&s->bucket);
                continue;
            }
            if (s->stage == FAR_SENT)
                tine__far_bounce(f, s);
            else
                tine__far_lose(f, s, why);
            tine__far_free(f, s);
        }
    while (!list_empty(&v->lines))
        tine__far_free_line(LIST_ITEM(v->lines.next, struct far_line, node));
    v->hosts = v->slots = 0;
    v->again = tine__now() + v->pause;
    v->pause = v->pause ? (v->pause < FAR_SECOND ? 2 * v->pause : v->pause) : 50 * FAR_MILLISECOND;
    snprintf(v->why, sizeof v->why, "%.100s: %s", v->conn.address->name,
             v->conn.error ? strerror(v->conn.error) : "it has closed the connection");
}

/* Read packets until there is something to report or to read on. False: there is nothing. */
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
    tine__far_look_at_printer(f);
    for (;;) {
        if (tine__far_next_news(f, r))
            return true;
        if (f->reading) {
            if (tine__far_read_answer(f, r))
                return true;
        } else if (!tine__far_resume(f) && !read_packet(f)) {
            return false;
        }
    }
}
