/* The far site: hosts. Each has a line at each server that both are connected to. */
#include <string.h>
#include "base/sys.h"
#include "base/text.h"
#include "site/far/internal.h"

static struct far_line *find_line(struct far_server *v, const char *host) {
    for (struct list *n = v->lines.next; n != &v->lines; n = n->next) {
        struct far_line *l = LIST_ITEM(n, struct far_line, node);
        if (memcmp(l->host, host, sizeof l->host) == 0)
            return l;
    }
    return NULL;
}

struct far_line *tine__far_need_line(struct far_server *v, const char *host) {
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

void tine__far_free_line(struct far_line *l) {
    for (struct list *n = l->sendings.next; n != &l->sendings; n = n->next)
        LIST_ITEM(n, struct far_sending, at)->line = NULL;
    while (!list_empty(&l->sendings))
        list_pop(&l->sendings);
    list_remove(&l->node);
    tine__buf_free(&l->orders);
    free(l->workers);
    free(l);
}

void tine__far_lose_line(struct far *f, struct far_line *l, const char *why) {
    for (struct list *n = l->sendings.next, *next; n != &l->sendings; n = next) {
        next = n->next;
        if (!far_has_ended(LIST_ITEM(n, struct far_sending, at)))
            tine__far_lose(f, LIST_ITEM(n, struct far_sending, at), why);
    }
    if (l->handle[0]) { /* should it come back: nobody wants what it runs */
        const struct gm_text args[] = {{l->handle, strlen(l->handle)}};
        tine__gm_send(&l->server->conn, GM_WORK_FAIL, 1, args);
    }
    if (f->from == l) /* the rest of what it has said may be unread */
        f->from = NULL;
    tine__far_free_line(l);
}

/* The host is connected. Another line with its name that does nothing for us
** belongs to its former life. */
static void replace_others(const struct far_line *l) {
    const struct list *lines = &l->server->lines;
    for (struct list *n = lines->next; n != lines; n = n->next) {
        struct far_line *other = LIST_ITEM(n, struct far_line, node);
        other->away |= other != l && other->running == 0 && strcmp(other->name, l->name) == 0;
    }
}

bool tine__far_begin_line(struct far *f, struct far_server *v, const struct gm_packet *p) {
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
    struct far_line *l = tine__far_need_line(v, said.host);
    const char *name = tine__text_keep(said.name);
    /* one line is enough; a second one may be a recorded message */
    if (!l || !name || l->handle[0])
        return false;
    memcpy(l->unique, unique, sizeof l->unique);
    memcpy(l->handle, p->arg[0].p, p->arg[0].n);
    l->name = name;
    l->slots = said.slots;
    replace_others(l);
    l->heard = v->conn.heard;
    if (v->hosts == 0) {
        v->hosts = 1;
        v->slots = said.slots;
    }
    f->desert = 0;
    return true;
}

/* --- their workers --- */

#define MOST_WORKERS 4096u /* of one host */

/* `host` NULL: all in the list are of one host. */
static struct far_worker *find_worker(struct far_worker *list, unsigned n, const char *host,
                                      uint32_t id) {
    for (unsigned i = 0; i < n; i++)
        if (list[i].worker == id && (!host || strcmp(list[i].host, host) == 0))
            return &list[i];
    return NULL;
}

void tine__far_meet_worker(struct far_line *l, const struct gm_worker *w) {
    struct far_worker *at = find_worker(l->workers, l->nworkers, NULL, w->id);
    /* the list has room for the next power of two */
    bool full = (l->nworkers & (l->nworkers - 1)) == 0;
    if (!at && (w->id == 0 || l->nworkers >= MOST_WORKERS))
        return;
    if (!at && full) {
        unsigned room = l->nworkers ? 2 * l->nworkers : 1;
        struct far_worker *list = sys.realloc(l->workers, room * sizeof *list);
        if (!list)
            return;
        l->workers = list;
    }
    if (!at) {
        at = &l->workers[l->nworkers++];
        *at = (struct far_worker){.host = l->name, .worker = w->id, .met = tine__now()};
    }
    at->pid = w->pid;
    at->memory = w->memory ? w->memory : at->memory;
}

void tine__far_meet_workers(struct far_line *l, const char *bytes, uint64_t length) {
    struct gm_reader r = {bytes, length};
    struct gm_worker w;
    while (tine__gm_copy(&r, &w, sizeof w))
        tine__far_meet_worker(l, &w);
}

/* Fill in the tasks that these workers run for us. */
static void show_tasks(const struct far_line *l, struct far_worker *list, unsigned n) {
    for (struct list *at = l->sendings.next; at != &l->sendings; at = at->next) {
        const struct far_sending *s = LIST_ITEM(at, struct far_sending, at);
        struct far_worker *w =
            s->stage == FAR_BEGUN ? find_worker(list, n, l->name, s->there) : NULL;
        if (w && s->next < s->count) {
            w->task = s->id + s->next;
            w->since = s->begun;
        }
    }
}

unsigned tine__far_all_workers(const struct site *s, struct far_worker *out, unsigned most) {
    const struct far *f = (const struct far *)s;
    unsigned n = 0;
    for (unsigned i = 0; i < f->nservers; i++) { /* a host may be connected to several servers */
        const struct list *lines = &f->servers[i].lines;
        for (struct list *at = lines->next; at != lines; at = at->next) {
            const struct far_line *l = LIST_ITEM(at, struct far_line, node);
            for (unsigned k = 0; k < l->nworkers && n < most && !l->away; k++)
                if (!find_worker(out, n, l->name, l->workers[k].worker)) {
                    out[n] = l->workers[k];
                    out[n++].host = l->name;
                }
            show_tasks(l, out, n);
        }
    }
    return n;
}
