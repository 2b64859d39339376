/* Arena: memory that all processes of a program see, and the regions in it.
**
** One sparse file (a memfd), which the program makes with its first pool or region, and which all fork servers and
** workers of all its pools inherit, those of workers' own pools too. So a region that one of them makes is there for
** every other: who is told its handle maps it, and nothing has to be passed, asked for or waited for. Places in the
** file are never used twice (it has 2^62 bytes of them), and what is not used takes no memory.
**
** WHO HOLDS A REGION is written down for each process by itself: it has a *seat*, given by who starts it, and with the
** seat a column of cells, one for each region. No counter is shared, so none can become wrong by a death:
**
**   field          written by            says
**   cell.held      the seat's process    this process holds the region
**   cell.sent      the seat's process    messages (results) that name the region and were sent to who started it
**   cell.taken     who started it        how many of these it has taken in, and by then holds the region itself
**   slot.word      all, CAS              enum slot_state, how often somebody began to hold it, generation, owner
**
** A region is held while any cell says so (held, or sent != taken). Who stops holding looks at all cells, and whoever
** finds none frees the region, by changing its word from LIVE to FREEING. Who begins to hold says so in his cell first
** and then counts it in the word, which fails when the region is not LIVE with that generation any more; and so does
** the change to FREEING when a holder has come after the look. So a handle of whatever age gives either the
** region or an error, never another's memory.
**
** When a process has died, who started it empties its column (tine__seat_vacate), frees what nobody else holds, and
** does the same to the seats that were given by it. There is no lock between processes, and nothing that is
** half-done but what vacate finishes: a region in the making or being freed has its owner's seat in its word.
**
** A process in which the program is forked has no arena: tine__map gives it empty memory in place of regions.
**
** Any thread. The lock is one for the process and always the last one taken.
*/
#ifndef TINE_IPC_ARENA_H
#define TINE_IPC_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hot.h"

struct arena;

/* --- the arena and its seats --- */

/* The process's own: made if there is none, or if its descriptor is not ours any more. Counted. NULL: errno. */
struct arena *tine__arena_get(void);
void tine__arena_put(struct arena *a);
int tine__arena_fd(const struct arena *a);

/* A seat for a process that is about to be started. 0: there is none left; it can then neither hold nor make regions. */
uint32_t tine__seat_give(struct arena *a);
/* That process has ended, or never was. 0 is fine. */
void tine__seat_vacate(struct arena *a, uint32_t seat);

/* In a process of ours: forget what was inherited. */
void tine__arena_forget(void);
/* In a process of ours: this is its arena and its seat (0: it gets one by tine__arena_reseat). Takes over `fd`, unless that
** fails. 0 or TINE_ESYSTEM. */
int tine__arena_attach(int fd, uint32_t seat);
/* In a child of that: regions that were made there are held by this one, too. */
void tine__arena_reseat(uint32_t seat);

/* --- regions --- */

enum region_kind { REGION_BUFFER = 1, REGION_IMAGE };

/* One region as this process has it. Counted. */
struct region {
    struct arena *arena;
    char *base; /* mapped, or NULL */
    uint64_t size;
    uint64_t offset;
    uint32_t index, generation;
    uint32_t kind;
    unsigned refs;
    unsigned forks; /* tine__map_forks when it was mapped */
};

/* How messages name one. */
struct handle {
    uint64_t arena;
    uint32_t index, generation;
};

/* A new one, of zeros, mapped for writing. 0, TINE_ENOMEM, TINE_ESYSTEM (errno; ENOSPC: there are too many). */
int tine__region_new(struct region **out, enum region_kind kind, uint64_t size);
/* Fill an image with all its bytes: from now on it is read only. 0 or TINE_ESYSTEM. */
int tine__region_seal(struct region *r, const char *bytes);
/* The one of a handle, mapped: a buffer for writing, an image for reading. 0; TINE_EINVALID: it is not there, or not
** any more, or of another kind; TINE_ENOMEM, TINE_ESYSTEM. */
int tine__region_open(struct region **out, const struct handle *h, enum region_kind kind);
/* NULL is fine. */
void tine__region_unref(struct region *r);
struct handle tine__region_handle(const struct region *r);
/* Is it memory of this process, and no empty copy in a forked child? */
bool tine__region_is_ours(const struct region *r);

/* --- messages that name regions --- */

/* What one names: held as long as it may be read. All zero: nothing. */
struct carried {
    struct region **list;
    uint32_t n, room;
};

/* 0 or TINE_ENOMEM. */
int tine__carry(struct carried *c, struct region *r);
int tine__carry_all(struct carried *to, const struct carried *from);
/* The one of a handle, as tine__region_open says, but not mapped. */
int tine__carry_named(struct carried *c, const struct handle *h);
COLD void tine__carried_drop(struct carried *c);

/* In a worker: name `carried` from `at` on in `out`, at most `max` of them, to who started it, for whom they are kept from
** now on. The number named. */
uint32_t tine__carried_send(const struct carried *c, uint32_t at, struct handle *out, uint32_t max);
/* The process in that seat has named one: hold it. Whatever there is no memory for is not held, and then not there. */
void tine__carried_take(struct carried *c, struct arena *a, uint32_t seat, const struct handle *h);

#endif
