#include "ipc/places.h"

#include <stdatomic.h>
#include <string.h>

#include "base/sys.h"
#include "ipc/queue_layout.h"

_Static_assert(QUEUE_MAX_WORKERS <= PLACE_LEFT, "a worker and the flag");

struct places *tine__places_new(uint64_t first) {
    struct places *p = sys.malloc(sizeof *p);
    if (!p)
        return NULL;
    p->left = first;
    p->nkept = 0;
    for (int i = 0; i < 2; i++)
        p->sizes[i].fresh = p->sizes[i].nfree = 0;
    memset(p->kept, 0, sizeof p->kept);
    memset(p->ref, 0, sizeof p->ref);
    return p;
}

static void leave(struct places *p, unsigned place) {
    struct places_of_size *s = &p->sizes[place / QUEUE_SLOTS];
    if (p->kept[place])
        p->kept[place] |= PLACE_LEFT;
    else
        s->free[s->nfree++] = (uint16_t)place;
}

/* Find the items before `tail` that have left their places, up to the first that has not. */
static void look(struct queue *q, uint64_t tail) {
    struct places *p = q->places;
    _Atomic uint64_t *const states = q->k->state;
    const uint16_t *const places = q->c->place;
    uint64_t seq = p->left;
    for (; seq != tail; seq++) {
        /* acquire: the owner read the slot before it freed it */
        uint64_t word = atomic_load_explicit(&states[seq % QUEUE_SLOTS], memory_order_acquire);
        /* a word of any other item is rubbish that a worker has written */
        if (state_in(word) != SLOT_FREE && newer(word, seq) == 0)
            break;
        if (!(places[seq % QUEUE_SLOTS] & PLACE_PASSED))
            leave(p, places[seq % QUEUE_SLOTS]);
    }
    p->left = seq;
}

bool tine__places_room(struct queue *q, uint64_t tail) {
    if (tail - q->places->left == QUEUE_SLOTS)
        look(q, tail);
    return tail - q->places->left < QUEUE_SLOTS;
}

void tine__places_pass_on(struct queue *q, uint64_t seq, uint64_t tail) {
    uint16_t *const places = q->c->place;
    uint32_t *const refs = q->places->ref;
    places[tail % QUEUE_SLOTS] = places[seq % QUEUE_SLOTS];
    places[seq % QUEUE_SLOTS] |= PLACE_PASSED;
    refs[tail % QUEUE_SLOTS] = refs[seq % QUEUE_SLOTS];
}

bool tine__places_take(struct queue *q, uint64_t tail, uint64_t length, unsigned *place) {
    struct places *p = q->places;
    unsigned size = length <= SLOT_SMALL;
    struct places_of_size *s = &p->sizes[size];
    if (s->nfree == 0)
        look(q, tail);
    if (!tine__places_room(q, tail))
        return false;
    if (s->nfree > 0)
        *place = s->free[--s->nfree];
    else if (s->fresh < QUEUE_SLOTS)
        *place = size * QUEUE_SLOTS + s->fresh++;
    else
        return false; /* the remaining ones are kept for condemned workers */
    return true;
}

void tine__places_keep(struct queue *q, uint64_t seq, unsigned worker) {
    struct places *p = q->places;
    unsigned place = q->c->place[seq % QUEUE_SLOTS];
    if ((int64_t)(seq - p->left) < 0 || p->kept[place])
        return; /* happens only after rubbish */
    p->kept[place] = (uint16_t)worker;
    p->nkept++;
}

void tine__places_bury(struct queue *q, unsigned worker) {
    struct places *p = q->places;
    for (unsigned place = 0; p->nkept > 0 && place < 2 * QUEUE_SLOTS; place++) {
        unsigned kept = p->kept[place];
        if ((kept & ~PLACE_LEFT) != worker)
            continue;
        p->kept[place] = 0;
        p->nkept--;
        if (kept & PLACE_LEFT)
            leave(p, place);
    }
}
