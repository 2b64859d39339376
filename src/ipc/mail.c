/* Mail: letters from the submitter to one worker (link.h), as a list in the call heap whose head is
** a word in the link. Posting adds one letter in front; the worker takes the whole list. So neither
** side can meet a letter that was taken and posted again (no ABA). */
#include <stdatomic.h>

#include "base/sys.h"
#include "ipc/futex.h"
#include "ipc/link_layout.h"

/* --- the submitter's side --- */

void tine__link_post(struct link *l, uint64_t place, uint64_t *next) {
    uint64_t last = atomic_load_explicit(&l->s->mail, memory_order_relaxed);
    do
        *next = last;
    /* release: the bytes of the letter */
    while (!atomic_compare_exchange_weak_explicit(&l->s->mail, &last, place, memory_order_release,
                                                  memory_order_relaxed));
    atomic_fetch_add_explicit(&l->s->rung, 1, memory_order_relaxed);
    /* fence: first the letter, then the sleeper; the sleeper: first its flag, then the letter */
    store_then_look();
    if (atomic_load_explicit(&l->s->listens, memory_order_relaxed))
        futex_wake(&l->s->rung, 1);
}

uint64_t tine__link_read(const struct link *l) {
    return atomic_load_explicit(&l->s->read, memory_order_acquire);
}

/* --- the worker's side --- */

uint64_t tine__link_take_mail(struct link *l) {
    if (!atomic_load_explicit(&l->s->mail, memory_order_relaxed))
        return 0;
    return atomic_exchange_explicit(&l->s->mail, 0, memory_order_acquire);
}

void tine__link_has_read(struct link *l, uint64_t n) {
    atomic_fetch_add_explicit(&l->s->read, n, memory_order_release);
}

void tine__link_await_mail(struct link *l, uint64_t ns) {
    uint32_t rung = atomic_load_explicit(&l->s->rung, memory_order_relaxed);
    atomic_store_explicit(&l->s->listens, 1, memory_order_relaxed);
    store_then_look();
    if (!atomic_load_explicit(&l->s->mail, memory_order_relaxed)) {
        KILL_POINT("listening");
        futex_wait_for(&l->s->rung, rung, ns);
    }
    atomic_store_explicit(&l->s->listens, 0, memory_order_relaxed);
}
