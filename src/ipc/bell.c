#include "ipc/bell.h"

#include "base/fd.h"

static enum bell_rung ring_if_wanted(struct bell *b, enum bell_level level) {
    uint32_t wanted = atomic_load_explicit(b->word, memory_order_relaxed);
    if (wanted == BELL_OFF && level == BELL_PRESSURE)
        atomic_compare_exchange_strong_explicit(b->word, &wanted, BELL_MISSED, memory_order_relaxed,
                                                memory_order_relaxed); /* else see who sleeps now */
    if (wanted == BELL_OFF || wanted == BELL_MISSED ||
        (wanted == BELL_PRESSURE && level != BELL_PRESSURE))
        return BELL_QUIET;
    /* one ring for each time the bell was armed */
    if (atomic_exchange_explicit(b->word, BELL_OFF, memory_order_relaxed) == BELL_OFF)
        return BELL_QUIET;
    return tine__fd_ring(b->fd) ? BELL_RUNG : BELL_LOST;
}

enum bell_rung tine__bell_ring_both(struct bell *a, struct bell *b, enum bell_level level) {
    /* fence: first the work is published, then the wish is read; pairs with bell_arm */
    store_then_look();
    enum bell_rung first = ring_if_wanted(a, level), second = ring_if_wanted(b, level);
    return first > second ? first : second;
}

enum bell_rung tine__bell_ring_either(struct bell *a, struct bell *b, enum bell_level level) {
    store_then_look(); /* as above */
    enum bell_rung rung = ring_if_wanted(a, level);
    return rung == BELL_QUIET ? ring_if_wanted(b, level) : rung;
}

bool tine__bell_clear(int fd) {
    return tine__fd_clear(fd);
}
