/* What lies in the file of an arena (ipc/arena.h):
**
**     0            struct arena_head
**     SEATS_AT     ARENA_SEATS seats
**     SLOTS_AT     ARENA_SLOTS slots
**     DATA_AT ...  columns (ARENA_SLOTS cells each) and regions, in the order in which they were made
*/
#ifndef TINE_IPC_ARENA_LAYOUT_H
#define TINE_IPC_ARENA_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include "base/list.h"
#include "ipc/arena.h"

#define ARENA_SEATS 4096u /* one less is to be had: 0 is none */
#define ARENA_SLOTS 65536u
#define ARENA_END ((uint64_t)1 << 62)
#define ARENA_PAGE 4096u

struct arena_head {
    uint64_t id;
    _Atomic uint64_t end;      /* what comes next lies here */
    _Atomic uint32_t slots;    /* that were ever used */
    _Atomic uint32_t first;    /* none before it is free, perhaps */
    _Atomic uint32_t top_seat; /* none above was ever given */
};

struct seat {
    _Atomic uint32_t given;
    _Atomic uint32_t by;     /* the seat of who has given it */
    _Atomic int32_t pid;     /* 0: its process has not said so yet */
    _Atomic uint32_t orphan; /* who has given it is dead, and it was not when that was seen */
    _Atomic uint64_t column; /* 0: it has none yet; kept for who sits there next */
};

/* Of a slot's word, from below: state 4, owner's seat 12, times that somebody began to hold it 24, generation 24. */
enum slot_state { SLOT_FREE, SLOT_MAKING, SLOT_LIVE, SLOT_FREEING };

struct slot {
    _Atomic uint64_t word;
    uint64_t offset, size; /* of what is LIVE */
    uint32_t kind;
    uint32_t spare;
};

struct cell {
    _Atomic uint16_t held, sent, taken;
    uint16_t spare;
};

#define SEATS_AT 64u /* the first ones in the first page */
#define SLOTS_AT ((uint64_t)256 << 10)
#define DATA_AT ((uint64_t)8 << 20)
#define HEAD_SIZE SLOTS_AT
#define SLOTS_SIZE (ARENA_SLOTS * sizeof(struct slot))
#define COLUMN_SIZE (ARENA_SLOTS * sizeof(struct cell))
_Static_assert(sizeof(struct arena_head) <= SEATS_AT, "the head is before the seats");
_Static_assert(SEATS_AT + ARENA_SEATS * sizeof(struct seat) <= SLOTS_AT, "the seats fit");
_Static_assert(SLOTS_AT + SLOTS_SIZE <= DATA_AT, "the slots fit");

static inline uint64_t slot_word(uint64_t generation, uint64_t moves, uint32_t owner,
                                 enum slot_state state) {
    return generation << 40 | (moves & 0xffffff) << 16 | (uint64_t)owner << 4 | state;
}
static inline enum slot_state slot_state(uint64_t word) {
    return (enum slot_state)(word & 15);
}
static inline uint32_t slot_owner(uint64_t word) {
    return word >> 4 & 0xfff;
}
static inline uint64_t slot_moves(uint64_t word) {
    return word >> 16 & 0xffffff;
}
static inline uint32_t slot_generation(uint64_t word) {
    return (uint32_t)(word >> 40);
}

/* As one process has it. */
struct arena {
    struct list node; /* of all that this process has */
    unsigned users;   /* pools, regions, and (a worker's) the process itself */
    int fd;
    uint32_t seat;
    struct arena_head *head;
    struct seat *seats;
    struct slot *slots;      /* NULL: not mapped yet */
    struct region **regions; /* by slot */
    uint32_t room;           /* of those */
    /* By seat, as far as they are mapped; NULL: none is, as in most processes. */
    struct cell **columns;
};

/* --- arena.c, with the lock held --- */

/* The lock. In a forked child of the program everything is forgotten first. */
void tine__arena_enter(void);
void tine__arena_leave(void);
/* In a child of a process of ours: what that had is ours, too. NULL: nothing. */
struct arena *tine__arena_inherit(void);
/* Have the slots mapped. 0 or TINE_ESYSTEM. */
int tine__arena_map_slots(struct arena *a);
/* Have the slots mapped, and a column of our own. 0 or TINE_ESYSTEM. */
int tine__arena_use(struct arena *a);
/* The column of a seat; NULL: it has none, or (*unknown) it cannot be mapped. */
struct cell *tine__arena_column(struct arena *a, uint32_t seat, bool *unknown);
/* `size` bytes of the file that nobody else has. 0: errno. */
uint64_t tine__arena_place(struct arena *a, uint64_t size);
/* They are not wanted: if nothing was placed behind them, their place is had again. */
void tine__arena_replace(struct arena *a, uint64_t at, uint64_t size);
/* The arena with that id; NULL: this process has none such. */
struct arena *tine__arena_find(uint64_t id);
void tine__arena_unuse(struct arena *a);

/* --- slots.c, with the lock held --- */

/* A slot in the making; ARENA_SLOTS: there is none. */
uint32_t tine__slot_claim(struct arena *a);
/* It is complete, and held by us: LIVE. */
void tine__slot_publish(struct arena *a, uint32_t index);
/* It will not be complete. */
void tine__slot_abandon(struct arena *a, uint32_t index);
/* Hold it. False: it is not there. */
bool tine__slot_hold(struct arena *a, uint32_t index, uint32_t generation);
/* Hold it no more. */
void tine__slot_drop(struct arena *a, uint32_t index);
/* Empty the column of a seat, and finish what its process has begun. */
void tine__slots_sweep(struct arena *a, uint32_t seat);

#endif
