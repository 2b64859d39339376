#include "pool/places.h"

#include <stdio.h>
#include <string.h>
#include "base/sys.h"
#include "pool/internal.h"

static struct place *find(const struct places *all, const struct report *r) {
    for (unsigned i = 0; i < all->n; i++)
        if (all->list[i].worker == r->there && strcmp(all->list[i].host, r->host) == 0)
            return &all->list[i];
    return NULL;
}

/* NULL: there are too many, or no memory. */
static struct place *add(struct pool *p, const struct report *r) {
    struct places *all = &p->places;
    if (all->n == PLACES_MOST)
        return NULL;
    if (all->n == all->room) {
        unsigned room = all->room ? 2 * all->room : 8;
        struct place *list = sys.realloc(all->list, room * sizeof *list);
        if (!list)
            return NULL;
        all->list = list;
        all->room = room;
    }
    struct place *place = &all->list[all->n++];
    *place = (struct place){.worker = r->there};
    snprintf(place->host, sizeof place->host, "%s", r->host);
    if (p->trace)
        tine__trace_place(p->trace, all->n, place->host, place->worker);
    return place;
}

uint16_t tine__place_note(struct pool *p, const struct report *r) {
    if (!r->host || r->there == 0)
        return 0;
    struct place *place = find(&p->places, r);
    if (!place && !(place = add(p, r)))
        return 0;
    place->tasks++;
    place->ran += r->ended > r->started ? r->ended - r->started : 0;
    place->from = r->started > place->until ? r->started : place->until;
    place->until = r->ended > place->from ? r->ended : place->from;
    return (uint16_t)(place - p->places.list + 1);
}

bool tine__pool_place(struct pool *p, unsigned number, struct place *out) {
    if (number == 0 || tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool there = number <= p->places.n;
    if (there)
        *out = p->places.list[number - 1];
    pthread_mutex_unlock(&p->lock);
    return there;
}
