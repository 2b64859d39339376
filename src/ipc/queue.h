/* The call queue: one queue in shared memory, for each pool, from which all workers take calls.
**
** It consists of two files. `calls` (tail, closing flag, slots) is written by the submitter alone;
** workers map it read-only, and it is sealed so that no other process can map it for writing.
** `claims` (the state word of each item, and who sleeps) is written by both sides.
**
**   field      written by read by  rule
**   tail       submitter  workers  release, after the slot's bytes and its READY state
**   closing    submitter  workers  0 to 1 only
**   place[i]   submitter  workers  slot of item i; written only while state[i] is FREE
**   label[i]   submitter  workers  its place in the order of taking (see LABELS); likewise
**   mixed      submitter  workers  items from this one on are in the order of their labels
**   slot       submitter  workers  written only while the last item in it is FREE (ipc/places.h)
**   state[i]   both       both     see below
**   sleepers   both       both     a worker sets its own bit; whoever wakes it clears the
**                                  bit, or the worker itself when it found an item
**   wake[w]    both       both     futex of worker w: 0 before it sleeps, 1 wakes it
**   spinner[i] workers    both     a spinning worker, and when it last looked
**   coming[i]  both       both     a worker on its way after a wake-up, and when it was woken
**   watcher    workers    both     the watcher (see below), and when it looks next
**   spared     submitter  workers  how many wakes the watcher has saved
**   want_low   both       both     level + 1; cleared by the worker that rings
**
** There is no shared head. Each side keeps privately the first sequence number that may be READY,
** and walks over the items that are not: an item that has left READY never returns to it, and a
** state word with a sequence number of the round before marks the end. So workers do not contend
** for an index, and none can spoil it for the others.
**
** The state of an item is one word: its sequence number (40 bits), its owner (16 bits), its state
** (8 bits):
**
**   FREE --submitter--> READY(seq) --worker--> TAKEN(seq, worker) --worker--> FREE(seq, worker)
**                          |                      |
**                          |                      `--submitter--> FREE(seq, worker): condemned,
**                          |                                      the worker is to be killed
**                          `--submitter--> FREE(seq): withdrawn, it never runs
**
** Each step out of READY or TAKEN is a compare-and-swap.
**
** The submitter may set the flag ASKED on a TAKEN word. When the worker frees the slot, the flag
** tells it that the first task of the item was asked to end before it has begun (ipc/link.h).
**
** A claim is a compare-and-swap on the item's own word, so at no instant has an item left the queue
** without having an owner. A process may be killed between any two stores: the only item it can
** leave behind is one TAKEN in its name, which tine__queue_held finds and tine__queue_bury frees. A
** worker frees a slot as soon as it has copied it (and has noted in its link that it runs the
** call), so one long task does not hold up the queue. Until the word is used again it still says
** who took the item. Because the word contains the sequence number, a slow worker can never take
** one item for another.
**
** LABELS. Items are taken in the order of their labels; no two items have the same. Mostly that is
** the order in which they were put, and a worker takes the first item that is READY. An item that is
** to be taken before others is simply put with a lower label. From then on, until it reaches the
** item that `mixed` names, a worker looks at all items that are READY and takes that of the lowest
** label. It remembers those of the lowest labels (struct next), so the next time it looks only at
** these, and at what was put since. So overtaking costs neither side much more than any item. An
** item with a high label may lie so long that few of the many items from it on are still READY, and
** looking takes ever longer: then the submitter puts it again (tine__queue_renew), under another
** sequence number and the same label.
**
** WHO IS WOKEN. At most two workers spin before they sleep; the others sleep at once, and so, most
** of the time, does a worker whose spins keep ending in sleep. A put wakes nobody while a worker
** spins, because that worker takes the item sooner than a woken one could; nor while two woken
** workers are still on their way. (One is not enough: it may have been stopped while it slept, and
** then nobody would look.) A worker that stops spinning, or has just come, and finds more items
** than it takes itself, wakes the next one. So workers get up one after the other, as many as there
** is work for, and not all at once for items that one of them would have taken anyway. A spinner
** that is kept from the processor loses its seat to another worker that wants to spin.
**
** Where sleepers keep being woken as soon as they sleep, one of them becomes the watcher. It sleeps
** for 50 us at a time, and meanwhile nobody is woken; for an item that has lain in the queue since
** its last look it wakes another worker, or gets up itself. It goes on as long as that saves wakes.
** (Without a watcher, a stream of small tasks has a quarter of its speed when there are more
** workers than it keeps busy.)
**
** Spinners, woken workers and the watcher count only for a short time after their last time stamp,
** so one that is stopped holds up nothing. A sleeper that was stopped before it was woken does not
** hold up items for long either: before the submitter itself sleeps, it checks whether items lie in
** the queue while workers sleep (tine__queue_sleeps).
**
** There is one submitter: all functions of its side are called under its lock, the pool's.
*/
#ifndef TINE_IPC_QUEUE_H
#define TINE_IPC_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include "ipc/shm.h"
#include "msg/call.h"
#include "msg/errand.h"

#define QUEUE_SLOTS 1024u /* power of two */
#define QUEUE_SPINNERS 2u
#define QUEUE_COMING 2u         /* more than one: it may be stopped */
#define QUEUE_WATCH 50000u      /* ns between two looks of the watcher */
#define QUEUE_MAX_WORKERS 4096u /* the owner field would allow more */

/* A call as it lies in a slot: 256 bytes, or fewer in a small slot. Its bytes are in `bytes`, or in
** the call heap at `call.offset`. */
struct queue_slot {
    struct call_head call;
    char bytes[CALL_INLINE];
};
_Static_assert(sizeof(struct queue_slot) == 256, "a slot is four cache lines");

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_TAKEN };
#define SLOT_ASKED 0x80u

struct queue_calls;  /* the file that is read-only for workers */
struct queue_claims; /* the file that both sides write */
struct places;

#define QUEUE_NEXT 32u

/* The items that a worker takes next where labels count, as far as it has looked. */
struct next {
    uint64_t looked; /* items before this one were looked at; */
    uint64_t others; /* of these, no READY one that is not listed has a lower label than this */
    unsigned n;
    struct next_item {
        uint64_t label, seq;
    } item[QUEUE_NEXT]; /* the lowest label last */
};

struct queue {
    struct shm calls, claims;
    struct queue_calls *c;
    struct queue_claims *k;
    uint64_t from;         /* private: no item before this one is READY */
    uint32_t heard;        /* private: `told` as last read */
    unsigned in_vain;      /* private: spins in a row that ended in sleep */
    unsigned brief;        /* private: short sleeps in a row */
    struct places *places; /* submitter only */
    /* Submitter only: no item that is READY has a greater label than `last` has, if that is
    ** READY. */
    uint64_t last, greatest;
    struct next next; /* a worker's */
};

#define QUEUE_CLOSED ((struct queue){.calls = SHM_CLOSED, .claims = SHM_CLOSED})

/* --- both sides --- */

/* Unmap and close both files; harmless on a closed queue. */
void tine__queue_close(struct queue *q);
/* The shared words of the pool's bells (ipc/bell.h), each on a cache line of its own: 0 for the
** thread that waits for results, 1 for the manager. */
#define QUEUE_BELLS 2
_Atomic uint32_t *tine__queue_bell(struct queue *q, unsigned which);

/* --- the submitter's side --- */

/* Create both files. Returns 0 or TINE_ESYSTEM. The descriptors stay in `calls.fd` and `claims.fd`,
** to be passed to workers. */
int tine__queue_create(struct queue *q);
/* The item whose state word a put overwrites. From then on nobody can find out who took it. */
struct queue_past {
    uint64_t seq;
    uint32_t ref;
    unsigned worker; /* the worker that took it; 0: none, or unknown */
};
/* Put an item, to be taken in the order of labels. No other item has this `label`. `bytes`
** (call->length of them) are used only when call->offset is 0. *seq is the item's name from now on.
** *past, unless NULL, receives the item whose word is overwritten; it is read from the very word
** that permits that, so it names the worker even if that took the item at the last moment. Returns
** 0, or TINE_EAGAIN when the queue is full. Wakes nobody. */
int tine__queue_put(struct queue *q, const struct call_head *call, const void *bytes,
                    uint64_t label, uint64_t *seq, struct queue_past *past);
/* If the oldest item that no worker has taken makes workers look too long (see LABELS), put it again
** under a new sequence number. True: done; *ref is that of its call, *seq its new name, *past as for
** tine__queue_put. Wakes nobody. */
bool tine__queue_renew(struct queue *q, uint32_t *ref, uint64_t *seq, struct queue_past *past);
/* Announce `n` items that were put since the last announcement; `now` is a recent time. Wakes as
** many workers as are needed beyond those that look by themselves. Returns true when items were
** left to such workers; the caller then passes `left` with its next announcement, and checks before
** it sleeps whether they still lie there. */
bool tine__queue_announce(struct queue *q, unsigned n, bool left, uint64_t now);
/* Wake one sleeping worker (true: one slept), or all. */
bool tine__queue_wake(struct queue *q);
void tine__queue_wake_all(struct queue *q);
/* Is there a sleeping worker that nobody has woken yet? */
bool tine__queue_sleeps(const struct queue *q);
/* Take an item back. True: no worker has taken it, and none ever will. */
bool tine__queue_withdraw(struct queue *q, uint64_t seq);
/* Condemn the worker that has taken the item and not yet freed its slot. True: it will run nothing
** any more, and the caller has to kill it. */
bool tine__queue_condemn(struct queue *q, uint64_t seq, unsigned worker);
/* Ask the worker that has taken the item and not yet freed its slot to end the item's first task.
** True: the worker learns it when it frees the slot. */
bool tine__queue_ask(struct queue *q, uint64_t seq, unsigned worker);
/* READY: no worker has taken the item yet. TAKEN or FREE: one has; *worker names it if the word
** still says so (0: it does not, or the item was withdrawn). */
enum slot_state tine__queue_state(struct queue *q, uint64_t seq, unsigned *worker);
/* The item's slot. It is not used again before the item is FREE and another one is put. */
const struct queue_slot *tine__queue_slot(const struct queue *q, uint64_t seq);
/* The slot that the worker has taken and not yet freed, because it has not yet noted in its link
** that it runs the call; NULL: none. */
const struct queue_slot *tine__queue_held(const struct queue *q, unsigned worker);
/* The worker that has taken an item whose place is needed for the next one, and not yet freed its
** slot, so that nothing can be put; 0: none. Workers free their slots at once: it was stopped. */
unsigned tine__queue_blocker(struct queue *q);
/* How many items no worker has taken yet; `most`, if there are that many or more. Walks from the
** oldest that may be READY until it has found so many. */
unsigned tine__queue_ready(struct queue *q, unsigned most);
/* After the death of `worker`: free the slot that it had taken and not yet freed, and clear its bit
** among the sleepers. When items are READY, wake all others: the dead worker may have been the one
** that was woken for them. */
void tine__queue_bury(struct queue *q, unsigned worker);
/* Tell `worker` to leave between two tasks. */
void tine__queue_dismiss(struct queue *q, unsigned worker);
/* Tell workers of another errand (msg/errand.h). *first names the first errand; each
** errand names the next. */
void tine__queue_spread(struct queue *q, const struct errand_place *first);
/* No items will come any more: workers leave when they find the queue empty. Wakes all. */
void tine__queue_shut(struct queue *q);

/* --- a worker's side --- */

/* Map the files that came from the submitter, `calls` read-only. Takes over the descriptors.
** Returns 0 or TINE_ESYSTEM. */
int tine__queue_attach(struct queue *q, int calls_fd, int claims_fd);
/* Take the item of the lowest label for `worker` (1 .. QUEUE_MAX_WORKERS-1). Returns its slot, valid until
** tine__queue_free, and *seq; NULL when there is no item just now. */
const struct queue_slot *tine__queue_take(struct queue *q, unsigned worker, uint64_t *seq);
/* Free the slot for reuse. *asked: its first task was asked to end. False: the worker is condemned
** and must do nothing any more. */
bool tine__queue_free(struct queue *q, unsigned worker, uint64_t seq, bool *asked);
/* Wait until there may be an item, or the queue is shut: yield the processor for `spin` ns,
** then sleep on the worker's futex for at most `patience` ns (0: only look; UINT64_MAX: no
** limit). Returns 0: look again; TINE_ESHUTDOWN: the queue is shut and no item is READY;
** TINE_ETIMEOUT: nothing came. */
int tine__queue_wait(struct queue *q, unsigned worker, uint64_t spin, uint64_t patience);
/* Has the submitter told workers anything (dismissal, errand) since the last call? One load. It
** also ends tine__queue_wait. */
bool tine__queue_told(struct queue *q);
bool tine__queue_has_told(const struct queue *q); /* the same, without marking it as heard */
/* The number of errands given out; *first names the first one when there are any. */
uint64_t tine__queue_errands(const struct queue *q, struct errand_place *first);
/* Is this worker to leave? */
bool tine__queue_is_dismissed(const struct queue *q, unsigned worker);
/* True when the submitter wants to know that so few items are READY (tine__queue_want_low), at
** most once for each wish; the worker then rings the manager. To be called after each
** tine__queue_free. */
bool tine__queue_is_low(struct queue *q);

/* --- refilling: the submitter has more items than it wants in the queue --- */

/* Ask for a ring when at most `level` items are left. True: so few are left already, and perhaps
** nobody will ring. */
bool tine__queue_want_low(struct queue *q, unsigned level);

#endif
