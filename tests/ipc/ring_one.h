/* Tests have one sleeper; workers ring for two. */
#ifndef TESTS_IPC_RING_ONE_H
#define TESTS_IPC_RING_ONE_H

#include "ipc/bell.h"

static inline void ring_one(struct bell *bell, enum bell_level level) {
    _Atomic uint32_t nobody = BELL_OFF;
    struct bell other = {&nobody, -1};
    tine__bell_ring_both(bell, &other, level);
}

#endif
