/* Link: what one worker shares with the submitter: which task it runs, its result ring, and its heap of
** large results. One file for each worker, mapped by that worker and the submitter alone, so a worker
** that scribbles over it breaks itself and nobody else.
**
**   field     written by      read by     rule
**   running   both, CAS       both        see below; one for each task on top of another
**   started   worker          submitter   before `running` says RUNNING
**   spent     worker          submitter   the same; processor time of the worker (ns)
**   head      worker          submitter   release, after the record's bytes; the ring's origin goes with it
**   tail      submitter       worker      release, after the record was copied or taken over; not
**                                         for each record, but when the ring is drained or a
**                                         quarter of it was read
**   progress  worker          submitter   `turn`, which is odd while it is written, before and after
**   wanted    submitter       worker      the number of the last inquiry
**   place     worker          submitter   what it says to that; `place_of` is its number, then, with release
**   full      both            both        1: the worker sleeps (futex) until the ring has room
**   mail      both            both        letters to the worker (msg/nested.h), the last one first: they lie in the call
**                                         heap, each names the one before; the worker takes them all
**   granted   submitter       worker      how many events its task may write (below)
**   emits     both            both        1: the worker sleeps (futex) until that is more
**   directory worker          submitter   ipc/heap.h
**
** `running` decides races between the end of a task and its end by force. It is one word: task id (56
** bits) and a state:
**
**     IDLE -> RUNNING(id) -> FINISHED(id) -> RUNNING(id+1, next of the chunk) ... -> IDLE
**                \--submitter--> KILLED(id)
**
** The worker goes from RUNNING to FINISHED by compare-and-swap *before* it writes the last part of its
** result; the submitter goes from RUNNING to KILLED by compare-and-swap before it has the worker
** killed. Whoever wins decides the one ending: a worker that finds KILLED writes nothing and takes
** nothing any more; a submitter that finds FINISHED does not kill. A flag STOP, set by the submitter
** on any word of a chunk, keeps the worker from starting the chunk's next task. A flag ASKED, set by the submitter on
** RUNNING(id), asks that task to end by itself (worker/task/ask.h). It goes with the task: the worker takes it off together
** with RUNNING, by the compare-and-swap that makes it FINISHED, and so knows for certain whether it was asked in time.
**
** A task that waits for one that it has submitted may have that run on top of it, by this worker. Each has a level with
** words of its own, the lowest first; levels above those that are in use are IDLE. The worker alone goes up and down.
** EVENTS are counted from the first one that the worker has ever written, by both sides. Each task may write so many of
** its own (the limit, which both know), unless `granted` names it: then all before the event with the number that is
** told there, which the submitter changes as they are read; or none at all, when nobody wants them.
**
** The ring holds records of 32-byte multiples, each in one piece; a record that does not fit before
** the end is preceded by a SKIP record, and both become visible together. When all that was written has been read, the
** worker may begin again at the first byte: it moves the origin, which is a part of the word that tells of the next
** record. So what is unread has one origin, and a worker that is killed leaves either the old one or the new. What comes out of it is
** foreign input: the reader checks lengths and kinds and calls a wrong one TINE_EINVALID.
*/
#ifndef TINE_IPC_LINK_H
#define TINE_IPC_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/heap.h"
#include "ipc/shm.h"
#include "msg/progress.h"

#define LINK_LEVELS 1002u       /* tasks on top of each other */
#define LINK_RING (128u << 10)  /* bytes, power of two */
#define LINK_INLINE (16u << 10) /* a longer result goes to the heap */

enum record_kind {
    RECORD_SKIP, /* fills the end of the ring */
    RECORD_READY, /* the worker has reached its task loop; `id` is its pid, and the time goes along */
    RECORD_VALUES,  /* a result segment: the values */
    RECORD_ERROR,   /* a result segment: the error value and the traceback */
    RECORD_REFUSED, /* text: the result (or the call) cannot travel: serialization */
    RECORD_STOPPED, /* a chunk was stopped: tasks from `id` on never ran */
    RECORD_FAILED,  /* the initializer failed: a result segment as RECORD_ERROR, then it leaves */
    RECORD_LEAVING, /* this worker has run its last task and ends in good order; `id` says why (enum parting) */
    RECORD_IDLE,     /* it has had nothing to do for idle_timeout */
    RECORD_PROGRESS, /* the last that the task has said, before its result: struct progress */
    RECORD_MEMORY,   /* the task had not enough: struct report_memory (msg/report.h) */
    RECORD_ENDED, /* the task was asked to end, and has: text, the traceback of the place where it was */
    RECORD_SUBMIT, /* a task has submitted one: struct nested_call and what follows it (msg/nested.h) */
    RECORD_AWAIT,  /* a task waits for some of those: their numbers; none: it does so no more */
    RECORD_CANCEL, /* a task wants one of those not to begin: its number */
    RECORD_RAN,    /* it has run errand `id`: nothing, or a result segment as RECORD_ERROR */
    RECORD_FAULT, /* errand `id` of the pool elsewhere that call `ref` came from has failed: the same */
    RECORD_EVENT,   /* what the task has emitted: a result segment */
    RECORD_CARRIED, /* before a result: regions that it names, as struct handle each (ipc/arena.h) */
    RECORD_SPOILT,  /* a task has closed or replaced the worker's descriptors: it ends now */
    RECORD_UNFIT, /* the worker cannot have what it needs to be one, and ends now; `id` is an errno */
    RECORD_KINDS
};

/* The head of a record. */
struct record {
    uint64_t id : 56;   /* task */
    uint64_t kind : 6;  /* enum record_kind */
    uint64_t timed : 1; /* a struct record_times is between this head and the payload */
    uint64_t large : 1; /* the payload is a struct record_block */
    uint32_t length;    /* of the payload in the ring, without all that */
    uint32_t ref;       /* the submitter's number of the call item */
};
_Static_assert(sizeof(struct record) == 16, "two small results in a cache line");

struct record_block {
    uint64_t offset, length;
};

/* When the task of a record began and ended, as its worker says (ns, tine__now). */
struct record_times {
    uint64_t started, ended;
};

#define LINK_PLACE 8192u

enum run_state { RUN_IDLE, RUN_RUNNING, RUN_FINISHED, RUN_KILLED };
#define RUN_STOP 0x80u
#define RUN_ASKED 0x40u
#define RUN_TIMED 0x20u /* asked, because its time is over */

struct link_shared; /* the first page(s) of the file */

struct link {
    struct shm shm; /* page with the words, and the ring */
    struct link_shared *s;
    struct heap *heap;
    /* private, so that the other side cannot change them under us */
    uint64_t at;          /* our own index: head for the worker, tail for the submitter */
    uint64_t seen;        /* the other's index as we last read it */
    uint64_t origin;      /* the byte of the ring where index 0 would lie */
    uint64_t after;       /* submitter: where the record that was peeked ends */
    uint64_t block;       /* submitter: where its payload lies in the heap */
    unsigned level;       /* worker: of the task that runs */
    uint64_t events;      /* that were written, or read */
    uint64_t first_event; /* worker: the number of the first one of the task that runs */
    uint64_t gap; /* worker: the task of which an event was dropped, and no more are written; 0 */
    struct record_times times; /* of the record that was peeked, or is about to be written */
};

#define LINK_CLOSED \
    (struct link) { \
        .shm = SHM_CLOSED \
    }

/* --- both --- */
void tine__link_close(struct link *l);
/* Give up the descriptor; what is mapped stays. */
void tine__link_retire(struct link *l);

/* --- the submitter's side --- */

/* Create the file for a worker to be started; its descriptor (shm.fd) is passed on and kept. */
int tine__link_create(struct link *l);
/* Anything to read? Cheap: one load. */
bool tine__link_pending(const struct link *l);
/* More than half full, or its worker waits for room: it must be read now, whoever waits for what. */
bool tine__link_pressed(const struct link *l);
/* The next record: its head is copied to *r, *payload points into the ring (inline) or the heap
** (large) and is valid until tine__link_next / until the block is released. 0; TINE_EAGAIN: none;
** TINE_EINVALID: rubbish, the worker is to be killed; TINE_ESYSTEM: its block cannot be mapped just
** now, the record stays. */
int tine__link_peek(struct link *l, struct record *r, const char **payload, uint64_t *length);
/* Done with the record: free its place in the ring and wake the worker if it waits for room. The
** heap block of a large one is NOT released by that. */
void tine__link_next(struct link *l);
/* Is there more of what was there when the ring was looked at last? */
static inline bool link_has_more(const struct link *l) {
    return l->at != l->seen;
}
/* For a large record: the block's offset, to be released with tine__heap_release(l->heap, offset). */
uint64_t tine__link_block(const struct record *r, const struct link *l);
/* What it runs: state, id, and when it started (ns, tine__now; 0 when unknown). */
enum run_state tine__link_running(const struct link *l, uint64_t *id, uint64_t *started);
/* The same of the first task in [first, first + count) that it runs, or that one waits for that runs; IDLE: of none. */
enum run_state tine__link_find(const struct link *l, uint64_t first, uint64_t count, uint64_t *id,
                               uint64_t *started);
/* Has its worker ever had it? Else it could not say anything. */
bool tine__link_attached(const struct link *l);
/* How many run, one on top of the other; and which one is there. */
unsigned tine__link_levels(const struct link *l);
uint64_t tine__link_at(const struct link *l, unsigned level);
/* Post the letter at this place of the call heap, whose first word is for us: `*next` is stored there before. Wakes the
** worker if it waits for one. */
void tine__link_post(struct link *l, uint64_t place, uint64_t *next);
/* How many letters it needs no more. */
uint64_t tine__link_read(const struct link *l);
/* What its worker had spent of the processor (ns) when it began, if it was noted. */
uint64_t tine__link_spent(const struct link *l);
/* What task `id` has said last of its progress; false: nothing. */
bool tine__link_progress(const struct link *l, uint64_t id, struct progress *out);
/* Ask the worker, which is to be signalled, where its task stands; or (`want` false) do not want to know any more. */
void tine__link_inquire(struct link *l, bool want);
/* What it has said of task `id`, cut to `size`. False: nothing yet. */
bool tine__link_inquired(const struct link *l, uint64_t id, char *out, size_t size, size_t *length);
/* Task `id` may write the events before number `upto`; LINK_NO_EVENTS: it need not write any. (events.c) */
#define LINK_NO_EVENTS (((uint64_t)1 << 40) - 1)
void tine__link_grant(struct link *l, uint64_t id, uint64_t upto);
/* End task `id` by force: true when from now on its result cannot come any more (the worker is to be
** killed now); false: it is not running (finished, or not yet begun). */
bool tine__link_condemn(struct link *l, uint64_t id);
/* Ask task `id` to end: true when it was running (or was asked before): its worker is to be signalled, and its result
** will be RECORD_ENDED. The worker asks itself so, too. */
bool tine__link_ask(struct link *l, uint64_t id, bool timed);
/* Keep a chunk [id, id+count) from starting further tasks. True, and *next: tasks from *next on never
** run; false: the worker is not in this chunk. */
bool tine__link_stop(struct link *l, uint64_t id, uint32_t count, uint64_t *next);

/* --- the worker's side --- */

/* Map the file that came from the submitter; takes over `fd`. */
int tine__link_attach(struct link *l, int fd);
/* Before a task: say what we run. For the first of an item always 0. For a later one of a chunk
** TINE_ECANCELLED when the rest was stopped, TINE_EAGAIN when we were condemned. `now`: when it starts (ns,
** tine__now). */
int tine__link_begin(struct link *l, uint64_t id, bool first, uint64_t now);
/* It starts only now; 0: it has yet to start. */
void tine__link_restart(struct link *l, uint64_t now);
/* Say how far the task that runs has come. */
void tine__link_set_progress(struct link *l, const struct progress *p);
/* Before tine__link_begin: note what this process has spent of the processor. */
void tine__link_note_spent(struct link *l);
/* Was the task that runs asked to end? RUN_ASKED, with RUN_TIMED or not, or 0. Async-signal-safe. */
unsigned tine__link_asked(const struct link *l);
/* Is it to be told where the task stands? Async-signal-safe. Then tell it, at most LINK_PLACE bytes. */
bool tine__link_wanted(const struct link *l);
void tine__link_tell(struct link *l, const char *place, size_t length);
/* After a task: 0, or TINE_EAGAIN: condemned, write nothing, end. *asked: it was asked to end. */
int tine__link_finish(struct link *l, uint64_t id, bool *asked);
/* Have the record, which is about to be written, say when the task began, if that was noted, and when it has ended. */
void tine__link_stamp(struct link *l, struct record *r, uint64_t now);
/* Have it say that what it tells is so just now. */
void tine__link_stamp_now(struct link *l, struct record *r);
/* May task `id`, which runs, write an event, of which `limit` are its own? Waits until it may. False: nobody wants it, or
** there is no room, or was none for one before, and the task was asked to end. `hard` is called before it waits if the
** submitter may have heard of none of them: it may sleep, and would let it go on. (events.c) */
bool tine__link_await_grant(struct link *l, uint64_t id, uint64_t limit, void (*hard)(void *arg),
                            void *arg);
/* The item is done: IDLE. */
void tine__link_idle(struct link *l);
/* Another task is about to run on top of the one that does. False: there are too many. */
bool tine__link_up(struct link *l);
/* It has ended, and its level is IDLE. */
void tine__link_down(struct link *l);
/* All letters that were posted since: the place of the last one, or 0. */
uint64_t tine__link_take_mail(struct link *l);
/* We need `n` more of them no more. */
void tine__link_has_read(struct link *l, uint64_t n);
/* Sleep until there is mail, for `ns` at most, or a signal comes. */
void tine__link_await_mail(struct link *l, uint64_t ns);
/* Write a record with `length` payload bytes (<= LINK_INLINE); blocks while the ring is full, calling
** `ring` (wake the submitter's manager) before it sleeps. */
void tine__link_write(struct link *l, struct record head, const void *payload,
                      void (*ring)(void *arg), void *arg);
/* True when the ring is more than half full (then the manager should be woken). */
bool tine__link_half_full(const struct link *l);

#endif
