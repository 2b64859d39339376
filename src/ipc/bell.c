#include "ipc/bell.h"

#include <errno.h>
#include <unistd.h>

static void ring_if_wanted(struct bell *b, enum bell_level level) {
    uint32_t wanted = atomic_load_explicit(b->word, memory_order_relaxed);
    if (wanted == BELL_OFF || (wanted == BELL_PRESSURE && level != BELL_PRESSURE))
        return;
    /* one ringer for each time it was armed */
    if (atomic_exchange_explicit(b->word, BELL_OFF, memory_order_relaxed) == BELL_OFF)
        return;
    int saved = errno;
    const uint64_t one = 1;
    ssize_t n = write(b->fd, &one, sizeof one);
    (void)n; /* EAGAIN: the counter is at its end, so the sleeper is awake anyway */
    errno = saved;
}

void tine__bell_ring_both(struct bell *a, struct bell *b, enum bell_level level) {
    /* the work is published before the wish is read: pairs with the one in bell_arm */
    store_then_look();
    ring_if_wanted(a, level);
    ring_if_wanted(b, level);
}

void tine__bell_clear(int fd) {
    uint64_t count;
    ssize_t n = read(fd, &count, sizeof count);
    (void)n; /* EAGAIN: another look has emptied it */
}
