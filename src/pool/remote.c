#include "pool/remote.h"

#include <stdio.h>
#include <string.h>
#include "base/sys.h"
#include "pool/internal.h"

static struct remote *find(const struct remotes *all, const struct report *r) {
    for (unsigned i = 0; i < all->n; i++)
        if (all->list[i].worker == r->there && strcmp(all->list[i].host, r->host) == 0)
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
    *remote = (struct remote){.worker = r->there};
    snprintf(remote->host, sizeof remote->host, "%s", r->host);
    if (p->trace)
        tine__trace_place(p->trace, all->n, remote->host, remote->worker);
    return remote;
}

uint16_t tine__remote_note(struct pool *p, const struct report *r) {
    if (!r->host || r->there == 0)
        return 0;
    struct remote *remote = find(&p->remotes, r);
    if (!remote && !(remote = add(p, r)))
        return 0;
    remote->tasks++;
    remote->ran += r->ended > r->started ? r->ended - r->started : 0;
    remote->from = r->started > remote->until ? r->started : remote->until;
    remote->until = r->ended > remote->from ? r->ended : remote->from;
    return (uint16_t)(remote - p->remotes.list + 1);
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
