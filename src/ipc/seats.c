/* Seats: which processes share the arena, and what happens to the regions that a dead one held.
**
** A seat whose giver is dead is vacated although its process may still be about to take it: it was
** forked a moment ago, and will learn of the death and end. By then the seat may be another
** process's, whose cells both would write. So a seat is taken with a ticket, which tells how often
** it was given.
*/
#include <errno.h>
#include <signal.h>

#include "base/sys.h"
#include "ipc/arena_layout.h"

/* Has someone the seat? Then 0, else its next ticket. */
static uint32_t try_give(struct seat *seat, uint32_t number) {
    uint64_t w = atomic_load_explicit(&seat->word, memory_order_relaxed);
    uint64_t next = SEAT_GIVEN | (uint64_t)((seat_turn(w) + 1) & SEAT_TURNS) << 32;
    bool given = w & SEAT_GIVEN || !atomic_compare_exchange_strong(&seat->word, &w, next);
    return given ? 0 : seat_ticket(next, number);
}

uint32_t tine__seat_give(struct arena *a) {
    for (uint32_t s = 1; s < ARENA_SEATS; s++) {
        uint32_t ticket = try_give(&a->seats[s], s);
        if (!ticket)
            continue;
        atomic_store(&a->seats[s].by, a->seat);
        uint32_t top = atomic_load(&a->head->top_seat);
        while (top < s && !atomic_compare_exchange_weak(&a->head->top_seat, &top, s))
            ;
        return ticket;
    }
    return 0;
}

static void vacate(struct arena *a, uint32_t seat) {
    struct seat *s = &a->seats[seat];
    if (atomic_load(&s->column) && tine__arena_map_slots(a) == 0)
        tine__slots_sweep(a, seat);
    atomic_store(&s->by, 0); /* or the next process would be taken for a child of the same parent */
    atomic_store(&s->orphan, 0);
    atomic_store(&s->word, (uint64_t)seat_turn(atomic_load(&s->word)) << 32);
}

static bool is_alive(const struct arena *a, uint32_t seat) {
    pid_t pid = seat_pid(atomic_load(&a->seats[seat].word));
    return pid && (kill(pid, 0) == 0 || errno == EPERM);
}

/* Adopt the seats given by `dead`, a worker that had pools of its own, whose processes will soon
** die, too. Vacate each adopted seat whose process is dead by now, and adopt the seats that it has
** given in turn. */
static void vacate_orphans(struct arena *a, uint32_t dead) {
    uint32_t top = arena_top_seat(a);
    for (uint32_t s = 1; s <= top; s++) {
        struct seat *seat = &a->seats[s];
        if (!(atomic_load(&seat->word) & SEAT_GIVEN) || s == a->seat)
            continue;
        if (atomic_load(&seat->by) == dead && dead != a->seat) {
            atomic_store(&seat->by, a->seat);
            atomic_store(&seat->orphan, 1);
        }
        if (atomic_load(&seat->by) == a->seat && atomic_load(&seat->orphan) && !is_alive(a, s)) {
            atomic_store(&seat->orphan, 0); /* this one is being seen to */
            vacate_orphans(a, s);
            vacate(a, s);
        }
    }
}

void tine__seat_vacate(struct arena *a, uint32_t ticket) {
    if (!a || !ticket)
        return;
    tine__arena_enter();
    if (!list_empty(&a->node)) {
        /* first: once the seat is vacated, its number may be that of another parent */
        vacate_orphans(a, seat_number(ticket));
        vacate(a, seat_number(ticket));
    }
    tine__arena_leave();
}

/* --- children --- */

static void hold_again(struct arena *a) {
    for (uint32_t i = 0; i < a->room; i++)
        if (a->regions[i])
            tine__slot_hold(a, i, a->regions[i]->generation);
}

int tine__arena_reseat(uint32_t ticket) {
    struct arena *a = tine__arena_inherit();
    tine__arena_enter();
    int err = a ? tine__seat_take(a, ticket) : 0;
    if (a && !err && a->users > 1)
        err = tine__arena_use(a);
    if (a && !err)
        hold_again(a);
    tine__arena_leave();
    return err;
}
