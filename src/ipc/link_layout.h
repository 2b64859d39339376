/* What lies in the first pages of a link's file: for link.c, and for tests that look into it. */
#ifndef TINE_IPC_LINK_LAYOUT_H
#define TINE_IPC_LINK_LAYOUT_H

#include <stdatomic.h>
#include <stdint.h>
#include "ipc/link.h"

/* Words that different sides write lie on lines of their own. */
#define LINE _Alignas(64)
#define PAGE 4096
#define RECORD_ALIGN 16u

struct link_shared {
    LINE _Atomic uint64_t running;
    _Atomic uint64_t started;
    _Atomic uint64_t spent;
    LINE _Atomic uint64_t head;
    LINE _Atomic uint64_t tail;
    LINE _Atomic uint32_t full;
    LINE _Atomic uint32_t turn; /* odd: `progress` is being written */
    struct progress progress;
    LINE _Atomic uint32_t wanted; /* 0: nothing was ever */
    LINE _Atomic uint32_t place_of;
    uint32_t place_length;
    uint64_t place_id; /* of the task */
    char place[LINK_PLACE];
    LINE struct heap_directory directory;
    LINE char ring[LINK_RING];
};

/* The heap's blocks follow in the same file. */
#define HEAP_START ((sizeof(struct link_shared) + PAGE - 1) / PAGE * PAGE)

_Static_assert((LINK_RING & (LINK_RING - 1)) == 0, "indexes are masked");
_Static_assert(LINK_INLINE + sizeof(struct record_times) + RECORD_ALIGN < LINK_RING / 4,
               "a record and a SKIP fit at any time");

/* --- the running word: task id << 8 | STOP | ASKED | state --- */

static inline uint64_t word_of(uint64_t id, enum run_state state) {
    return id << 8 | state;
}

static inline enum run_state state_in(uint64_t word) {
    return (enum run_state)(word & 0x1f);
}

static inline uint64_t id_in(uint64_t word) {
    return word >> 8;
}

/* Another state of the same task, which is asked no more. */
static inline uint64_t with_state(uint64_t word, enum run_state state) {
    return (word & ~(uint64_t)0x7f) | state;
}

#endif
