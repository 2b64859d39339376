/* How many events a task may write (EVENTS in link.h).
**
** `granted` is one word, so that what it says belongs to the task that it names: it holds the lower
** bits of the task's id, and of the number of the first event that the task may not write. If an
** earlier task has the same id bits, the event number shows that the grant is not meant for this
** one; and the submitter grants anew with the first event that it sees.
*/
#include <stdatomic.h>

#include "base/sys.h"
#include "ipc/futex.h"
#include "ipc/link_layout.h"

#define NUMBER_BITS 40
#define NUMBER_MASK (((uint64_t)1 << NUMBER_BITS) - 1)
#define LIMIT_MOST ((uint64_t)1 << (NUMBER_BITS - 2))

static uint64_t grant_of(uint64_t id, uint64_t upto) {
    return id << NUMBER_BITS | (upto & NUMBER_MASK);
}

/* Is `upto` beyond `number`? (> 0) Compares the lower bits alone. */
static int64_t beyond(uint64_t upto, uint64_t number) {
    return (int64_t)((upto - number) << (64 - NUMBER_BITS)) >> (64 - NUMBER_BITS);
}

/* --- the submitter's side --- */

void tine__link_grant(struct link *l, uint64_t id, uint64_t upto) {
    if (upto != LINK_NO_EVENTS && (upto & NUMBER_MASK) == LINK_NO_EVENTS)
        upto--; /* that value has a meaning of its own */
    atomic_store_explicit(&l->s->granted, grant_of(id, upto), memory_order_relaxed);
    link_wake_emit(l->s);
}

/* --- the worker's side --- */

enum gate { GATE_OPEN, GATE_SHUT, GATE_VAIN };

/* Does the grant name this task, so that the submitter has seen an event of it? */
static bool is_meant(const struct link *l, uint64_t id) {
    uint64_t word = atomic_load_explicit(&l->s->granted, memory_order_relaxed);
    return word >> NUMBER_BITS == (id & (UINT64_MAX >> NUMBER_BITS));
}

static enum gate look(const struct link *l, uint64_t id, uint64_t limit) {
    uint64_t word = atomic_load_explicit(&l->s->granted, memory_order_relaxed);
    uint64_t upto = word & NUMBER_MASK;
    bool meant = word >> NUMBER_BITS == (id & (UINT64_MAX >> NUMBER_BITS));
    if (meant && upto == LINK_NO_EVENTS)
        return GATE_VAIN;
    if (!meant || beyond(upto, l->first_event) <= 0)
        upto = l->first_event + (limit < LIMIT_MOST ? limit : LIMIT_MOST);
    return beyond(upto, l->events) > 0 ? GATE_OPEN : GATE_SHUT;
}

static bool is_shut(const struct link *l, uint64_t id, uint64_t limit) {
    return look(l, id, limit) == GATE_SHUT && !tine__link_asked(l);
}

static void wait_for_grant(struct link *l, uint64_t id, uint64_t limit) {
    while (is_shut(l, id, limit)) {
        atomic_store_explicit(&l->s->emits, 1, memory_order_relaxed);
        store_then_look();
        KILL_POINT("emits");
        if (is_shut(l, id, limit))
            futex_wait(&l->s->emits, 1);
    }
    atomic_store_explicit(&l->s->emits, 0, memory_order_relaxed);
}

bool tine__link_await_grant(struct link *l, uint64_t id, uint64_t limit, void (*hard)(void *arg),
                            void *arg) {
    if (l->gap == id)
        return false;
    enum gate gate = look(l, id, limit);
    if (gate == GATE_SHUT) {
        if (!is_meant(l, id))
            hard(arg);
        wait_for_grant(l, id, limit);
        gate = look(l, id, limit);
    }
    if (gate == GATE_SHUT) /* the task was asked to end */
        l->gap = id;
    return gate == GATE_OPEN;
}
