/* The contents of an arena's file (ipc/arena.h), and one process's view of it:
**
**     0            struct arena_head
**     SEATS_AT     ARENA_SEATS seats
**     SLOTS_AT     ARENA_SLOTS slots
**     DATA_AT ...  columns (ARENA_SLOTS cells each) and regions, in the order of making
*/
#ifndef TINE_IPC_ARENA_LAYOUT_H
#define TINE_IPC_ARENA_LAYOUT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include "base/list.h"
#include "ipc/arena.h"

#define ARENA_SEATS 4096u /* seat 0 means none */
#define ARENA_SLOTS 65536u
#define ARENA_END ((uint64_t)1 << 62)
#define ARENA_PAGE 4096u

struct arena_head {
    uint64_t id;
    _Atomic uint64_t end;      /* offset at which the next column or region is placed */
    _Atomic uint32_t slots;    /* number of slots ever used */
    _Atomic uint32_t first;    /* a hint: no slot before this one is free */
    _Atomic uint32_t top_seat; /* no seat above was ever given */
};

struct seat {
    /* From the lowest bit: the process's id, 0 as long as it has not noted it, 32; how often the
    ** seat was given 20; is it given 1. */
    _Atomic uint64_t word;
    _Atomic uint32_t by; /* seat of the parent, or of the process that has adopted it */
    /* adopted, since the parent is dead: vacated once its process is, too */
    _Atomic uint32_t orphan;
    _Atomic uint64_t column; /* offset; 0: no column yet. Kept for the next process in this seat */
};

#define SEAT_GIVEN ((uint64_t)1 << 52)
#define SEAT_TURNS 0xfffffu

static inline uint32_t seat_turn(uint64_t word) {
    return word >> 32 & SEAT_TURNS;
}
static inline pid_t seat_pid(uint64_t word) {
    return (pid_t)(uint32_t)word;
}
static inline uint64_t seat_taken(uint64_t word, pid_t pid) {
    return (word & ~(uint64_t)UINT32_MAX) | (uint32_t)pid;
}
/* The ticket with which a process takes the seat: its number 12, how often it was given 20. */
static inline uint32_t seat_ticket(uint64_t word, uint32_t seat) {
    return seat_turn(word) << 12 | seat;
}
static inline uint32_t seat_number(uint32_t ticket) {
    return ticket & (ARENA_SEATS - 1);
}

/* The word of a slot, from the lowest bit: state 4, owner's seat 12, how often a process began to
** hold the region 24, generation 24. */
enum slot_state { SLOT_FREE, SLOT_MAKING, SLOT_LIVE, SLOT_FREEING };

struct slot {
    _Atomic uint64_t word;
    uint64_t offset, size; /* while LIVE */
    uint32_t kind;
    uint32_t spare;
};

struct cell {
    _Atomic uint16_t held, sent, taken;
    uint16_t spare;
};

#define SEATS_AT 64u /* so the first seats lie in the first page */
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

/* Every process of the program writes to this file, and a task in any of them may have scribbled
** over it. So what is read there and used as an index, or to map a part of the file, is checked
** first. */

/* What is placed in the file takes whole pages. */
static inline uint64_t arena_pages(uint64_t size) {
    return (size + ARENA_PAGE - 1) & ~(uint64_t)(ARENA_PAGE - 1);
}

/* One process's view of an arena. */
struct arena {
    struct list node; /* in the list of this process's arenas */
    unsigned users;   /* pools, regions, and in a worker the process itself */
    int fd;
    uint32_t seat;
    struct arena_head *head;
    struct seat *seats;
    struct slot *slots;      /* NULL: not mapped yet */
    struct region **regions; /* by slot */
    uint32_t room;           /* length of `regions` */
    /* By seat: the columns that are mapped. NULL: none is, as in most processes. */
    struct cell **columns;
};

/* How many slots to look at, and up to which seat. */
static inline uint32_t arena_slots(const struct arena *a) {
    uint32_t n = atomic_load(&a->head->slots);
    return n < ARENA_SLOTS ? n : ARENA_SLOTS;
}
static inline uint32_t arena_top_seat(const struct arena *a) {
    uint32_t top = atomic_load(&a->head->top_seat);
    return top < ARENA_SEATS ? top : ARENA_SEATS - 1;
}

/* --- arena.c, with the lock held --- */

/* Take the lock. In a forked child of the program everything is forgotten first. */
void tine__arena_enter(void);
void tine__arena_leave(void);
/* In a child of a process of Tine: take over the parent's arena. NULL: it had none. */
struct arena *tine__arena_inherit(void);
/* Sit down in the seat of this ticket (0: none). 0; TINE_ESYSTEM: it was vacated since, as the
** parent is dead, and may be another process's. */
int tine__seat_take(struct arena *a, uint32_t ticket);
/* May this part of the file be a column or a region? Only what the file has can be read without
** SIGBUS; it never becomes shorter. 0, TINE_EINVALID, TINE_ESYSTEM. */
int tine__arena_check(const struct arena *a, uint64_t offset, uint64_t size);
/* Map the slots if they are not mapped yet. 0 or TINE_ESYSTEM. */
int tine__arena_map_slots(struct arena *a);
/* Map the slots and a column of our own. 0 or TINE_ESYSTEM. */
int tine__arena_use(struct arena *a);
/* The column of a seat; NULL: there is none, or (*unknown) it cannot be mapped. */
struct cell *tine__arena_column(struct arena *a, uint32_t seat, bool *unknown);
/* Reserve `size` bytes of the file. Returns their offset; 0: errno. */
uint64_t tine__arena_place(struct arena *a, uint64_t size);
/* Give reserved bytes back; possible if nothing was reserved behind them since. */
void tine__arena_replace(struct arena *a, uint64_t at, uint64_t size);
/* The arena with that id; NULL: this process does not have it. */
struct arena *tine__arena_find(uint64_t id);
void tine__arena_unuse(struct arena *a);

/* --- slots.c, with the lock held --- */

/* Claim a slot, to make a region in it; ARENA_SLOTS: none is free. */
uint32_t tine__slot_claim(struct arena *a);
/* The region is complete: hold it, and make the slot LIVE. */
void tine__slot_publish(struct arena *a, uint32_t index);
/* The region could not be made: free the slot. */
void tine__slot_abandon(struct arena *a, uint32_t index);
/* Hold the region in a slot. False: there is none with that generation. */
bool tine__slot_hold(struct arena *a, uint32_t index, uint32_t generation);
/* Stop holding it. */
void tine__slot_drop(struct arena *a, uint32_t index);
/* Empty the column of a seat whose process is dead, and finish what that process has begun. */
void tine__slots_sweep(struct arena *a, uint32_t seat);

#endif
