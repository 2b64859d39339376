/* Arena: memory that all processes of a program share, and the regions in it (buffers, frozen
** images).
**
** It is one sparse file (a memfd), made by the program with its first pool or region, and inherited
** by all fork servers and workers of all its pools, those of workers' own pools included. So a
** region that one of them makes exists for every other: a process that is told its handle maps it,
** and nothing has to be passed, asked for or waited for. Offsets in the file are never used twice
** (there are 2^62), and parts that are not in use take no memory.
**
** WHO HOLDS A REGION is noted by each process for itself. Each process has a *seat*, given to it by
** the process that starts it (its parent, below), and with the seat a column of cells, one for each
** region. No counter is shared, so no death can make one wrong:
**
**   field       written by          meaning
**   cell.held   the seat's process  this process holds the region
**   cell.sent   the seat's process  number of messages (results) to the parent that name the region
**   cell.taken  the parent          how many of these the parent has received; it then holds the
**                                   region itself
**   slot.word   all, CAS            state (enum slot_state), how often a process began to hold the
**                                   region, generation, owner
**
** A region is held while any cell says so (held, or sent != taken). A process that stops holding a
** region looks at all cells, and frees the region if no cell says so, by changing its word from
** LIVE to FREEING. A process that begins to hold a region sets its cell first and then counts
** itself in the word. That fails when the region is not LIVE with the handle's generation any more;
** and the change to FREEING fails when a holder has come after the look. So a handle of whatever
** age gives either the region or an error, never another region's memory.
**
** When a process has died, its parent empties the column (tine__seat_vacate), frees what nobody
** else holds, and does the same for the seats that the dead process had given. There is no lock
** between processes. Whatever a dead process left half-done, vacating finishes: the word of a
** region that is being made or freed names the owner's seat.
**
** In a forked child of the program there is no arena: it has empty memory in place of regions
** (tine__map_forks, base/map.h).
**
** Any thread may call these functions. They take one lock of the process, which is always the last
** one taken.
*/
#ifndef TINE_IPC_ARENA_H
#define TINE_IPC_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hot.h"

struct arena;

/* --- the arena and its seats --- */

/* The process's own arena, with one more user; made if there is none, or if its descriptor is not
** ours any more. NULL: errno. */
struct arena *tine__arena_get(void);
void tine__arena_put(struct arena *a);
int tine__arena_fd(const struct arena *a);

/* Give a seat to a process that is about to be started. Returns its ticket, valid until the seat is
** vacated. 0: none is left; the process can then neither hold nor make regions. */
uint32_t tine__seat_give(struct arena *a);
/* The process with that ticket has ended, or was never started. 0 is fine. */
void tine__seat_vacate(struct arena *a, uint32_t ticket);

/* In a process forked by Tine: forget the inherited arenas. */
void tine__arena_forget(void);
/* In a process forked by Tine: use this arena and the seat of this ticket (0: it gets one from
** tine__arena_reseat). Takes over `fd`, unless it fails. 0 or TINE_ESYSTEM. */
int tine__arena_attach(int fd, uint32_t ticket);
/* In a child of such a process: take the seat of this ticket, and hold the regions that were made
** before the fork. 0; TINE_ESYSTEM: the ticket is no longer valid, or these regions cannot be
** held, and the process must end. */
int tine__arena_reseat(uint32_t ticket);

/* --- regions --- */

enum region_kind { REGION_BUFFER = 1, REGION_IMAGE };

/* A region as this process has it. Counted. */
struct region {
    struct arena *arena;
    char *base; /* mapped, or NULL */
    uint64_t size;
    uint64_t offset;
    uint32_t index, generation;
    uint32_t kind;
    unsigned refs;
    unsigned forks; /* tine__map_forks at the time of mapping */
};

/* The name of a region in messages. */
struct handle {
    uint64_t arena;
    uint32_t index, generation;
};

/* Make a region of zeros, mapped for writing. 0, TINE_ENOMEM, TINE_ESYSTEM (errno;
** ENOSPC: there are too many). */
int tine__region_new(struct region **out, enum region_kind kind, uint64_t size);
/* Fill an image with its bytes, all of them; from now on it is mapped read-only. 0 or
** TINE_ESYSTEM. */
int tine__region_seal(struct region *r, const char *bytes);
/* Map the region of a handle: a buffer for writing, an image for reading. 0; TINE_EINVALID: there
** is no such region any more, or it is of another kind; TINE_ENOMEM, TINE_ESYSTEM. */
int tine__region_open(struct region **out, const struct handle *h, enum region_kind kind);
/* Drop one reference; NULL is fine. */
void tine__region_unref(struct region *r);
struct handle tine__region_handle(const struct region *r);
/* Is it memory of this process, and not the empty copy in a forked child? */
bool tine__region_is_ours(const struct region *r);

/* --- messages that name regions --- */

/* The regions that a message names, held as long as the message may be read. All zero: none. */
struct carried {
    struct region **list;
    uint32_t n, room;
};

/* Add a region. 0 or TINE_ENOMEM. */
int tine__carry(struct carried *c, struct region *r);
int tine__carry_all(struct carried *to, const struct carried *from);
/* Add the region of a handle, without mapping it; errors as tine__region_open. */
int tine__carry_named(struct carried *c, const struct handle *h);
COLD void tine__carried_drop(struct carried *c);

/* In a worker: name regions of `c` from index `at` on in `out`, at most `max` of them, for a
** message to the parent. From now on they are kept for the parent. Returns the number named. */
uint32_t tine__carried_send(const struct carried *c, uint32_t at, struct handle *out, uint32_t max);
/* The process with that ticket has named a region in a message: hold it. If there is no memory for
** that it is not held, and its handle may then fail. */
void tine__carried_take(struct carried *c, struct arena *a, uint32_t ticket,
                        const struct handle *h);

#endif
