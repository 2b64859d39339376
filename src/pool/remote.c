#include "pool/remote.h"

#include <stdio.h>
#include <string.h>
#include "base/sys.h"
#include "pool/internal.h"
#include "site/far/far.h"

static struct remote *find(const struct remotes *all, const char *host, uint32_t worker) {
    for (unsigned i = 0; i < all->n; i++)
        if (all->list[i].worker == worker && strcmp(all->list[i].host, host) == 0)
            return &all->list[i];
    return NULL;
}

/* NULL: there are too many, or no memory. */
static struct remote *add(struct pool *p, const struct report *r) {
    struct remotes *all = &p->remotes;
    if (all->n == REMOTES_MOST)
        return NULL;
    if (all->n == all->room) {
        unsigned room = all->room ? 2 * all->room : 8;
        struct remote *list = sys.realloc(all->list, room * sizeof *list);
        if (!list)
            return NULL;
        all->list = list;
        all->room = room;
    }
    struct remote *remote = &all->list[all->n++];
    *remote = (struct remote){.worker = r->there, .met = r->started ? r->started : tine__now()};
    snprintf(remote->host, sizeof remote->host, "%s", r->host);
    if (p->trace)
        tine__trace_place(p->trace, all->n, remote->host, remote->worker);
    return remote;
}

uint16_t tine__remote_note(struct pool *p, const struct report *r) {
    if (!r->host || r->there == 0)
        return 0;
    struct remote *remote = find(&p->remotes, r->host, r->there);
    if (!remote && !(remote = add(p, r)))
        return 0;
    remote->tasks++;
    remote->pid = r->pid;
    remote->ran += r->ended > r->started ? r->ended - r->started : 0;
    remote->from = r->started > remote->until ? r->started : remote->until;
    remote->until = r->ended > remote->from ? r->ended : remote->from;
    return (uint16_t)(remote - p->remotes.list + 1);
}

struct remote *tine__pool_remotes(struct pool *p, unsigned *n) {
    struct remote *copy = NULL;
    *n = 0;
    if (tine__pool_is_forked(p))
        return NULL;
    pthread_mutex_lock(&p->lock);
    const struct remotes *all = &p->remotes;
    if (all->n > 0 && (copy = sys.malloc(all->n * sizeof *copy)) != NULL) {
        memcpy(copy, all->list, all->n * sizeof *copy);
        *n = all->n;
    }
    pthread_mutex_unlock(&p->lock);
    return copy;
}

bool tine__pool_remote(struct pool *p, unsigned number, struct remote *out) {
    if (number == 0 || tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool there = number <= p->remotes.n;
    if (there)
        *out = p->remotes.list[number - 1];
    pthread_mutex_unlock(&p->lock);
    return there;
}

/* --- all of them --- */

#define MOST 4096u

static void describe(const struct pool *p, const struct far_worker *w, uint64_t now,
                     struct worker_info *out) {
    const struct remote *known = find(&p->remotes, w->host, w->worker);
    const uint64_t ran = w->since && w->since < now ? now - w->since : 0;
    *out = (struct worker_info){.id = w->worker,
                                .pid = w->pid,
                                .memory = w->memory,
                                .state = w->task ? "running" : "idle",
                                .task = w->task,
                                .since = w->task ? w->since
                                         : known ? known->until
                                                 : w->met};
    snprintf(out->host, sizeof out->host, "%s", w->host);
    const uint64_t met = known && known->met < w->met ? known->met : w->met;
    const uint64_t busy = ran + (known ? known->ran : 0);
    out->tasks = known ? known->tasks : 0;
    if (now > met)
        out->busy = busy < now - met ? (double)busy / (double)(now - met) : 1;
}

/* The workers that the site knows, to be freed. */
static struct far_worker *list_all(struct pool *p, unsigned *n) {
    struct far_worker *list = pool_site_is_gone(p) ? NULL : sys.malloc(MOST * sizeof *list);
    *n = list ? tine__far_all_workers(p->site, list, MOST) : 0;
    return list;
}

unsigned tine__remotes_list(struct pool *p, uint64_t now, struct worker_info *out, unsigned max) {
    unsigned n;
    struct far_worker *list = list_all(p, &n);
    for (unsigned i = 0; i < n && i < max; i++)
        describe(p, &list[i], now, &out[i]);
    free(list);
    return n;
}

uint64_t tine__remotes_lived(const struct pool *p, uint64_t now) {
    uint64_t sum = 0;
    for (unsigned i = 0; i < p->remotes.n; i++)
        sum += now > p->remotes.list[i].met ? now - p->remotes.list[i].met : 0;
    return sum;
}

uint64_t tine__remotes_busy(struct pool *p, uint64_t now) {
    unsigned n;
    uint64_t sum = 0;
    struct far_worker *list = list_all(p, &n);
    for (unsigned i = 0; i < n; i++)
        sum += list[i].since && list[i].since < now ? now - list[i].since : 0;
    free(list);
    return sum;
}
