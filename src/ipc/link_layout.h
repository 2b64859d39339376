/* The contents of the first pages of a link's file (ipc/link.h), for the link's own .c files and
** for tests that look into it. */
#ifndef TINE_IPC_LINK_LAYOUT_H
#define TINE_IPC_LINK_LAYOUT_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "ipc/futex.h"
#include "ipc/link.h"

/* Words that different sides write lie on different cache lines. */
#define LINE _Alignas(64)
#define LINK_PAGE 4096
#define RING_HOME 2048 /* bytes of the ring that lie in the first page */
#define RECORD_ALIGN 16u

struct link_level {
    _Atomic uint64_t running;
    _Atomic uint64_t started;
};

/* What every task uses comes first, then the ring. So a worker whose tasks use nothing else, and
** whose ring is read as fast as it is written, touches one page. */
struct link_shared {
    _Atomic uint64_t spent;
    _Atomic uint32_t attached; /* set by the worker */
    /* Offset in the call heap of the letter posted last; 0: none. */
    LINE _Atomic uint64_t mail;
    LINE _Atomic uint64_t read; /* number of letters that the worker has finished with */
    LINE _Atomic uint32_t rung; /* futex; changes when a letter is posted */
    _Atomic uint32_t listens;   /* 1: the worker sleeps on `rung` */
    /* Bytes written so far, and where the ring begins: see head_word. */
    LINE _Atomic uint64_t head;
    LINE _Atomic uint64_t tail;
    LINE _Atomic uint32_t full;
    LINE _Atomic uint64_t granted; /* ipc/events.c */
    _Atomic uint32_t emits;
    LINE _Atomic uint32_t wanted; /* 0: there was no inquiry yet */
    LINE _Atomic uint32_t place_of;
    uint32_t place_length;
    uint64_t place_id; /* id of the task that `place` is about */
    LINE struct heap_directory directory;
    LINE _Atomic uint32_t turn; /* odd: `progress` is being written */
    struct progress progress;
    LINE struct link_level level; /* the lowest level */
    _Alignas(RING_HOME) char ring[LINK_RING];
    struct link_level above[LINK_LEVELS - 1]; /* the other levels */
    char place[LINK_PLACE];
};

/* The heap's blocks follow in the same file. */
#define HEAP_START ((sizeof(struct link_shared) + LINK_PAGE - 1) / LINK_PAGE * LINK_PAGE)

_Static_assert((LINK_RING & (LINK_RING - 1)) == 0, "counts are masked");
_Static_assert(offsetof(struct link_shared, ring) + RING_HOME == LINK_PAGE,
               "one page for most tasks");
_Static_assert(LINK_INLINE + sizeof(struct record_times) + RECORD_ALIGN < LINK_RING / 4,
               "a record and a SKIP fit at any time");

/* --- the head word: bytes written (a multiple of RECORD_ALIGN) << 9 | origin / RECORD_ALIGN --- */

#define ORIGIN_BITS 13 /* as many bits as the lowest ones of the count that an origin needs */
#define HEAD_SHIFT (ORIGIN_BITS - 4)
_Static_assert(RECORD_ALIGN << HEAD_SHIFT == 1 << ORIGIN_BITS, "the two do not meet");
_Static_assert(LINK_RING / RECORD_ALIGN == 1 << ORIGIN_BITS, "an origin anywhere in the ring");

static inline uint64_t head_word(uint64_t count, uint64_t origin) {
    return count << HEAD_SHIFT | origin / RECORD_ALIGN;
}

static inline uint64_t count_in(uint64_t head) {
    return head >> ORIGIN_BITS << (ORIGIN_BITS - HEAD_SHIFT);
}

static inline uint64_t origin_in(uint64_t head) {
    return head % (1u << ORIGIN_BITS) * RECORD_ALIGN;
}

static inline struct link_level *level_of(const struct link *l, unsigned level) {
    return level == 0 ? &l->s->level : &l->s->above[level - 1];
}

/* --- the running word: task id << 8 | STOP | ASKED | TIMED | state --- */

static inline uint64_t word_of(uint64_t id, enum run_state state) {
    return id << 8 | state;
}

static inline enum run_state state_in(uint64_t word) {
    return (enum run_state)(word & 0x1f);
}

static inline uint64_t id_in(uint64_t word) {
    return word >> 8;
}

/* Have the worker look again if it sleeps because its task may write no more events. */
static inline void link_wake_emit(struct link_shared *s) {
    /* fence: first the grant or the request, then the sleeper; the sleeper:
    ** first its flag, then those */
    store_then_look();
    if (!atomic_load_explicit(&s->emits, memory_order_relaxed))
        return;
    atomic_store_explicit(&s->emits, 0, memory_order_relaxed);
    futex_wake(&s->emits, 1);
}

/* The same task in another state; ASKED and TIMED are dropped. */
static inline uint64_t with_state(uint64_t word, enum run_state state) {
    return (word & ~(uint64_t)0x7f) | state;
}

#endif
