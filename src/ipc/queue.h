/* The call queue: one queue in shared memory that every worker takes call items from.
**
** Two files. `calls` is written by the submitter alone and read-only for workers: the tail, the
** closing flag and the slots; it is sealed, so that nobody else can map it for writing. `claims` is
** written by both: the state word of each slot, and who sleeps.
**
**   field            written by        read by   rule
**   tail             submitter         workers   release, after the slot's bytes and its READY state
**   closing          submitter         workers   0 to 1 only
**   place[i]         submitter         workers   which slot item i lies in; written only while its state is FREE
**   slot             submitter         workers   written only while no item lies in it that is not FREE (ipc/places.h)
**   state[i]         both              both      see below
**   sleepers         both              both      bit set by the worker itself, cleared by who wakes it
**                                                (or by the worker that found work after all)
**   wake[w]          both              both      futex of worker w: 0 before it sleeps, 1 wakes it
**   spinner[i]       workers           both      who looks again and again before it sleeps, and when it last did
**   coming[i]        both              both      who was woken last and has not come yet, and when it was
**   watcher          workers           both      who sleeps so lightly that nobody is woken, and when it looks next
**   spared           submitter         workers   wakes that it has spared
**   want_low         both              both      set by the submitter (level + 1), cleared by who rings
**
** There is no shared head. Each side keeps for itself from where on there may be READY slots, and
** walks over those that are not: an item that is not READY any more will never be so again, and a
** state whose number is still that of the round before is the end. Workers do not contend for an
** index, and none can spoil it for the others.
**
** An item's state is one word: the sequence number of the item (40 bits), the owner (16 bits), the
** state (8 bits):
**
**     FREE --submitter--> READY(seq) --worker, CAS--> TAKEN(seq, worker) --worker, CAS--> FREE(seq, worker)
**                             \                              \--submitter, CAS--> FREE(seq, worker):
**                              \                                 that worker is to be killed
**                               \--submitter, CAS--> FREE(seq): withdrawn, it never runs
**
** A flag ASKED, set by the submitter on a word that is TAKEN, tells the worker when it frees the slot that the
** item's first task was asked to end before it has begun (ipc/link.h).
**
** The claim is the compare-and-swap on the slot's own word, so at no instant has an item left the
** queue and belongs to nobody. A peer may be killed between any two stores: the only slot it can
** leave behind is one TAKEN in its name, which tine__queue_reclaim finds. Workers free a slot as soon
** as they have copied it (and have said in their link that they run it), so that one long task does
** not hold up the queue; until the slot is used again its word says who took the item. Because the state
** names the sequence number, a slow worker can never take an item for another one.
**
** WHO IS WOKEN. At most two workers spin, all others sleep at once; and a worker whose spins keep ending in sleep does, too,
** for the most part. For an item that is put nobody is woken while one spins, which takes it sooner, nor while two that were
** woken are still on their way: not one, for it may have been stopped as it slept, and then nobody would look. Who stops
** spinning, or comes, and finds more than it takes wakes the next: so as many get up as are busy, one after the other, and
** not all that sleep for items that one of them would have taken all the same. Who spins but is kept from the processor
** loses its seat to another that would spin. Where sleepers are woken as soon as they
** sleep, one of them becomes the watcher: it looks by itself every 50 us, for as long as that spares wakes, and wakes
** another, or gets up itself, for an item that has lain there since it looked last. (Without it a stream of small tasks has a
** quarter of its speed with more workers than it keeps busy.)
** All of these are believed by the times at which they look, or were woken: one that was stopped holds up nothing. Nor for long
** does a sleeper that was stopped before it was woken: the submitter looks again, before it sleeps itself, whether items lie
** there while others sleep (tine__queue_sleeps).
**
** One submitter: all functions of the submitter's side are called under its lock.
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
#define QUEUE_COMING 2u         /* one of them may be stopped */
#define QUEUE_WATCH 50000u      /* ns: after so long a watcher looks */
#define QUEUE_MAX_WORKERS 4096u /* the owner field would allow more */

/* A call item as it lies in a slot: 256 bytes, or as many as it needs. Its bytes are in `bytes`, or in the call heap at
** `call.offset`. */
struct queue_slot {
    struct call_head call;
    char bytes[CALL_INLINE];
};
_Static_assert(sizeof(struct queue_slot) == 256, "a slot is four cache lines");

enum slot_state { SLOT_FREE, SLOT_READY, SLOT_TAKEN };
#define SLOT_ASKED 0x80u

struct queue_calls;  /* the file that workers only read */
struct queue_claims; /* the file that both write */
struct places;

struct queue {
    struct shm calls, claims;
    struct queue_calls *c;
    struct queue_claims *k;
    uint64_t from;         /* private: no item before this one is READY */
    uint32_t heard;        /* private: of `told` */
    unsigned in_vain;      /* private: spins in a row that have ended in sleep */
    unsigned brief;        /* private: sleeps in a row that were short */
    struct places *places; /* the submitter's */
};

#define QUEUE_CLOSED \
    (struct queue) { \
        SHM_CLOSED, SHM_CLOSED, NULL, NULL, 0, 0, 0, 0, NULL \
    }

/* --- both sides --- */

/* Unmap and close; harmless on a closed one. */
void tine__queue_close(struct queue *q);
/* The shared words of the pool's bells (ipc/bell.h), each on a cache line of its own: 0 the waiting
** thread's, 1 the manager's. */
#define QUEUE_BELLS 2
_Atomic uint32_t *tine__queue_bell(struct queue *q, unsigned which);

/* --- the submitter's side --- */

/* Create both files. 0 or TINE_ESYSTEM. The descriptors stay in `calls.fd` and `claims.fd`, to be
** passed on. */
int tine__queue_create(struct queue *q);
/* The item that was in a slot before: who has had it cannot be asked any more. */
struct queue_past {
    uint64_t seq;
    uint32_t ref;
    unsigned worker; /* who has taken it; 0: nobody, or nobody knows */
};
/* Append an item; `bytes` (call->length of them) only when call->offset is 0. *seq names it from now on. What was there
** before goes into *past, unless that is NULL: told by the very word that lets us overwrite it, so that whoever
** takes that item in the last moment is told, too. 0, or TINE_EAGAIN when the queue is full. Wakes nobody. */
int tine__queue_put(struct queue *q, const struct call_head *call, const void *bytes, uint64_t *seq,
                    struct queue_past *past);
/* Can so many be put? */
bool tine__queue_has_room(struct queue *q, unsigned n);
/* Take an item back, as tine__queue_withdraw does, which is put again afterwards: there is room for it, and the number that
** it has then is given. */
bool tine__queue_lift(struct queue *q, uint64_t seq);
uint64_t tine__queue_put_again(struct queue *q, uint64_t seq, struct queue_past *past);
/* So many items are there that were not announced, and it was `now` not long ago: have them taken. True: some are left to
** workers that look by themselves; `left`: some were before, and may still lie there. It is to be looked again whether they do,
** before one sleeps oneself. */
bool tine__queue_announce(struct queue *q, unsigned n, bool left, uint64_t now);
/* Wake one sleeping worker / all of them. True when somebody slept. */
bool tine__queue_wake(struct queue *q);
void tine__queue_wake_all(struct queue *q);
/* Does a worker sleep that nobody has woken yet? */
bool tine__queue_sleeps(const struct queue *q);
/* Take an item back. True: nobody has taken it, and nobody ever will. */
bool tine__queue_withdraw(struct queue *q, uint64_t seq);
/* Condemn the worker that has taken the item and not yet freed its slot: true, it will run nothing any
** more, and is to be killed. */
bool tine__queue_condemn(struct queue *q, uint64_t seq, unsigned worker);
/* Ask the worker that has taken the item and not yet freed its slot to end the item's first task: true, it will
** learn of it when it frees the slot. */
bool tine__queue_ask(struct queue *q, uint64_t seq, unsigned worker);
/* READY: nobody has taken it yet; TAKEN or FREE: somebody has, *worker as far as the word still says
** (0: it does not, or the item was withdrawn). */
enum slot_state tine__queue_state(struct queue *q, uint64_t seq, unsigned *worker);
/* The item's slot, which is not used again before the item is FREE, and the next one is put. */
const struct queue_slot *tine__queue_slot(const struct queue *q, uint64_t seq);
/* The slot that the worker has taken and not yet freed, because it has not yet said in its link that it runs the item; NULL:
** none. */
const struct queue_slot *tine__queue_held(const struct queue *q, unsigned worker);
/* Items that nobody has taken yet (walks from the oldest that may be READY). */
unsigned tine__queue_ready(struct queue *q);
/* After the death of `worker`: free the slot it had taken and not yet freed, forget that it sleeps;
** when items are READY, wake all others (it may have died with a wake-up that was meant for one). */
void tine__queue_bury(struct queue *q, unsigned worker);
/* Tell `worker` to leave, between two tasks. */
void tine__queue_dismiss(struct queue *q, unsigned worker);
/* There is another errand (msg/errand.h): the first one is at *first, others are named by the one before. */
void tine__queue_spread(struct queue *q, const struct errand_place *first);
/* No items will come any more: workers that find the queue empty leave. Wakes all. */
void tine__queue_shut(struct queue *q);

/* --- a worker's side --- */

/* Map files that came from the submitter; takes over the descriptors. `calls` is mapped read-only.
** 0 or TINE_ESYSTEM. */
int tine__queue_attach(struct queue *q, int calls_fd, int claims_fd);
/* Take the next item for `worker` (1 .. QUEUE_MAX_WORKERS-1). Gives the slot (valid until
** tine__queue_free) and its seq; NULL when there is none just now. */
const struct queue_slot *tine__queue_take(struct queue *q, unsigned worker, uint64_t *seq);
/* Give the slot back for reuse; *asked: its first task was asked to end. False: we are condemned, and must do
** nothing any more. */
bool tine__queue_free(struct queue *q, unsigned worker, uint64_t seq, bool *asked);
/* Wait until there may be an item, or the queue is shut: yields the processor for `spin` ns, then
** sleeps on the worker's futex, for `patience` ns at most (0: it only looks; UINT64_MAX: without end). 0: look
** again; TINE_ESHUTDOWN: shut, and no item is READY; TINE_ETIMEOUT: nothing came. */
int tine__queue_wait(struct queue *q, unsigned worker, uint64_t spin, uint64_t patience);
/* Has the submitter told workers something since it was asked last? One load. tine__queue_wait ends for it. */
bool tine__queue_told(struct queue *q);
bool tine__queue_has_told(const struct queue *q); /* it may be asked again */
/* ... so many errands, of which the first is there. */
uint64_t tine__queue_errands(const struct queue *q, struct errand_place *first);
/* ... that this one is to leave? */
bool tine__queue_is_dismissed(const struct queue *q, unsigned worker);
/* True when the submitter wants to know that so few items are left READY (tine__queue_want_low), at most
** once for each wish; the worker then rings the manager. To be asked after each tine__queue_free. */
bool tine__queue_is_low(struct queue *q);

/* --- refilling: the submitter has more items than it wants in the queue --- */

/* Ask for a ring when at most `level` items are left. Look afterwards: if so few are left already, nobody
** may ring (true). */
bool tine__queue_want_low(struct queue *q, unsigned level);

#endif
