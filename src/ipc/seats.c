/* Seats: which processes share the arena, and what happens to the regions that a dead one held. */
#include <errno.h>
#include <signal.h>

#include "base/sys.h"
#include "ipc/arena_layout.h"

uint32_t tine__seat_give(struct arena *a) {
    for (uint32_t s = 1; s < ARENA_SEATS; s++) {
        uint32_t none = 0;
        if (atomic_load_explicit(&a->seats[s].given, memory_order_relaxed))
            continue;
        if (!atomic_compare_exchange_strong(&a->seats[s].given, &none, 1))
            continue;
        atomic_store(&a->seats[s].pid, 0);
        atomic_store(&a->seats[s].by, a->seat);
        atomic_store(&a->seats[s].orphan, 0);
        uint32_t top = atomic_load(&a->head->top_seat);
        while (top < s && !atomic_compare_exchange_weak(&a->head->top_seat, &top, s))
            ;
        return s;
    }
    return 0;
}

static void vacate(struct arena *a, uint32_t seat) {
    if (atomic_load(&a->seats[seat].column) && tine__arena_map_slots(a) == 0)
        tine__slots_sweep(a, seat);
    atomic_store(&a->seats[seat].pid, 0);
    atomic_store(&a->seats[seat].given, 0);
}

static bool is_alive(const struct arena *a, uint32_t seat) {
    pid_t pid = atomic_load(&a->seats[seat].pid);
    return pid && (kill(pid, 0) == 0 || errno == EPERM);
}

/* Adopt the seats given by `dead`, a worker that had pools of its own, whose processes will soon
** die, too. Vacate each adopted seat whose process is dead by now, and adopt the seats that it has
** given in turn. */
static void vacate_orphans(struct arena *a, uint32_t dead) {
    uint32_t top = atomic_load(&a->head->top_seat);
    for (uint32_t s = 1; s <= top; s++) {
        struct seat *seat = &a->seats[s];
        if (!atomic_load(&seat->given) || s == a->seat)
            continue;
        if (atomic_load(&seat->by) == dead && dead != a->seat) {
            atomic_store(&seat->by, a->seat);
            atomic_store(&seat->orphan, 1);
        }
        if (atomic_load(&seat->by) == a->seat && atomic_load(&seat->orphan) && !is_alive(a, s)) {
            vacate(a, s);
            vacate_orphans(a, s);
        }
    }
}

void tine__seat_vacate(struct arena *a, uint32_t seat) {
    if (!a || !seat)
        return;
    tine__arena_enter();
    if (!list_empty(&a->node)) {
        vacate(a, seat);
        vacate_orphans(a, seat);
    }
    tine__arena_leave();
}

/* --- children --- */

static void hold_again(struct arena *a) {
    for (uint32_t i = 0; i < a->room; i++)
        if (a->regions[i])
            tine__slot_hold(a, i, a->regions[i]->generation);
}

void tine__arena_reseat(uint32_t seat) {
    struct arena *a = tine__arena_inherit();
    tine__arena_enter();
    if (a) {
        bool holds = a->users > 1;
        a->seat = seat;
        atomic_store(&a->seats[seat].pid, getpid());
        if (holds && tine__arena_use(a) == 0)
            hold_again(a);
    }
    tine__arena_leave();
}
