/* The slots of an arena: which regions exist, and who holds them. There is no lock between
** processes; ipc/arena.h explains the order of the steps. */
#include <errno.h>

#include "base/sys.h"
#include "ipc/arena_layout.h"

static struct cell *own_cell(struct arena *a, uint32_t index) {
    return &a->columns[a->seat][index];
}

/* --- making --- */

static bool claim(struct arena *a, uint32_t index) {
    _Atomic uint64_t *word = &a->slots[index].word;
    uint64_t w = atomic_load(word);
    return slot_state(w) == SLOT_FREE &&
           atomic_compare_exchange_strong(
               word, &w, slot_word(slot_generation(w), slot_moves(w), a->seat, SLOT_MAKING));
}

static uint32_t claim_used(struct arena *a, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++)
        if (claim(a, i)) {
            atomic_store(&a->head->first, i + 1);
            return i;
        }
    return ARENA_SLOTS;
}

static uint32_t claim_fresh(struct arena *a) {
    uint32_t i = atomic_load(&a->head->slots);
    while (i < ARENA_SLOTS) {
        if (!atomic_compare_exchange_weak(&a->head->slots, &i, i + 1))
            continue;
        if (claim(a, i))
            return i;
    }
    return ARENA_SLOTS;
}

uint32_t tine__slot_claim(struct arena *a) {
    uint32_t used = arena_slots(a);
    uint32_t i = claim_used(a, atomic_load(&a->head->first), used);
    if (i == ARENA_SLOTS)
        i = claim_fresh(a);
    return i == ARENA_SLOTS ? claim_used(a, 0, used) : i;
}

void tine__slot_publish(struct arena *a, uint32_t index) {
    _Atomic uint64_t *word = &a->slots[index].word;
    uint64_t w = atomic_load(word);
    atomic_store(&own_cell(a, index)->held, 1);
    KILL_POINT("region-made");
    atomic_store(word, slot_word(slot_generation(w), slot_moves(w), 0, SLOT_LIVE));
}

/* --- freeing --- */

static void set_free(struct arena *a, uint32_t index, uint64_t word) {
    uint64_t generation = (slot_generation(word) + 1) & 0xffffff;
    atomic_store(&a->slots[index].word, slot_word(generation, 0, 0, SLOT_FREE));
    uint32_t first = atomic_load(&a->head->first);
    while (index < first && !atomic_compare_exchange_weak(&a->head->first, &first, index))
        ;
}

void tine__slot_abandon(struct arena *a, uint32_t index) {
    set_free(a, index, atomic_load(&a->slots[index].word));
}

/* Give the region's pages back to the system, all of them: of a page of which a part is punched out
** that part is set to zero, and the page stays. If it cannot be done (the program has taken our
** descriptor), they stay until the end of all processes. */
static void give_back(const struct arena *a, const struct slot *s) {
    int err = errno;
    if (tine__fd_ours(a->fd))
        (void)!fallocate(a->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)s->offset,
                         (off_t)arena_pages(s->size));
    errno = err;
}

/* A message that names the region, and that nobody has received, holds it, too. */
static bool holds(const struct cell *c) {
    return atomic_load(&c->held) || atomic_load(&c->sent) != atomic_load(&c->taken);
}

static bool is_held(struct arena *a, uint32_t index) {
    uint32_t top = arena_top_seat(a);
    for (uint32_t seat = 1; seat <= top; seat++) {
        bool unknown = false;
        struct cell *column = tine__arena_column(a, seat, &unknown);
        if (unknown)
            return true; /* held too long is better than freed too early */
        if (column && holds(&column[index]))
            return true;
    }
    return false;
}

static void free_unheld(struct arena *a, uint32_t index) {
    struct slot *s = &a->slots[index];
    uint64_t w = atomic_load(&s->word);
    if (slot_state(w) != SLOT_LIVE || is_held(a, index))
        return;
    uint64_t freeing = slot_word(slot_generation(w), slot_moves(w), a->seat, SLOT_FREEING);
    if (!atomic_compare_exchange_strong(&s->word, &w, freeing))
        return; /* another process holds it again, or frees it */
    KILL_POINT("region-freeing");
    give_back(a, s);
    set_free(a, index, freeing);
}

/* --- holding --- */

bool tine__slot_hold(struct arena *a, uint32_t index, uint32_t generation) {
    _Atomic uint64_t *word = &a->slots[index].word;
    if (index >= arena_slots(a))
        return false;
    atomic_store(&own_cell(a, index)->held, 1);
    uint64_t w = atomic_load(word), more;
    do {
        if (slot_state(w) != SLOT_LIVE || slot_generation(w) != generation) {
            tine__slot_drop(a, index);
            return false;
        }
        more = slot_word(generation, slot_moves(w) + 1, 0, SLOT_LIVE);
    } while (!atomic_compare_exchange_weak(word, &w, more));
    return true;
}

void tine__slot_drop(struct arena *a, uint32_t index) {
    atomic_store(&own_cell(a, index)->held, 0);
    free_unheld(a, index);
}

/* --- dead processes --- */

/* Finish what a process was doing with this slot when it died. */
static void finish(struct arena *a, uint32_t index, uint32_t seat) {
    struct slot *s = &a->slots[index];
    uint64_t w = atomic_load(&s->word);
    enum slot_state state = slot_state(w);
    if (slot_owner(w) != seat || (state != SLOT_MAKING && state != SLOT_FREEING))
        return;
    if (state == SLOT_FREEING)
        give_back(a, s);
    set_free(a, index, w);
}

void tine__slots_sweep(struct arena *a, uint32_t seat) {
    bool unknown = false;
    struct cell *column = tine__arena_column(a, seat, &unknown);
    uint32_t n = arena_slots(a);
    for (uint32_t i = 0; column && i < n; i++) {
        struct cell *c = &column[i];
        bool any = holds(c);
        atomic_store(&c->held, 0);
        atomic_store(&c->sent, 0);
        atomic_store(&c->taken, 0);
        finish(a, i, seat);
        if (any)
            free_unheld(a, i);
    }
}
