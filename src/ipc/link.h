/* Link: what one worker shares with the submitter: which task it runs, the ring of its results, and
** its heap of large results. Each worker has a file of its own, mapped by that worker and the
** submitter alone, so a worker that scribbles over the memory breaks itself and nobody else.
**
**   field      written by read by    rule
**   running    both, CAS  both       see below; one word for each level
**   started    worker     submitter  before `running` says RUNNING
**   spent      worker     submitter  likewise; processor time of the worker (ns)
**   head       worker     submitter  release, after the record's bytes; includes the ring's origin
**   tail       submitter  worker     release, after the records were copied or taken over; stored
**                                    when the ring is drained or a quarter of it was read
**   progress   worker     submitter  sequence lock: `turn` is odd while `progress` is written
**   wanted     submitter  worker     number of the last inquiry into where the task stands
**   place      worker     submitter  the answer; its number `place_of` is stored after it, release
**   full       both       both       1: the worker sleeps (futex) until the ring has room
**   mail       both       both       last of a list of letters to the worker (msg/nested.h), which
**                                    lie in the call heap; each names the one before, and the
**                                    worker takes all at once
**   granted    submitter  worker     how many events the task may write (see EVENTS)
**   emits      both       both       1: the worker sleeps (futex) until it may write an event
**   directory  worker     submitter  ipc/heap.h
**
** `running` decides races between the end of a task and its end by force. It is one word: task id
** (56 bits) and state:
**
**     IDLE -> RUNNING(id) -> FINISHED(id) -> RUNNING(id+1, next of the chunk) ... -> IDLE
**                \--submitter--> KILLED(id)
**
** The worker goes from RUNNING to FINISHED by compare-and-swap *before* it writes the last part of
** its result; the submitter goes from RUNNING to KILLED by compare-and-swap before it has the
** worker killed. Whoever wins decides how the task ends: a worker that finds KILLED writes nothing
** and takes nothing any more; a submitter that finds FINISHED does not kill. Two flags go with the
** word. STOP, set by the submitter on any word of a chunk, keeps the worker from starting the next
** task of the chunk. ASKED, set by the submitter on RUNNING(id), asks that task to end by itself
** (worker/task/ask.h). The compare-and-swap that makes the task FINISHED also removes ASKED, so the
** worker knows for certain whether the request came in time.
**
** LEVELS. While a task waits for tasks that it has submitted, its worker may run one of them on top
** of it. Each task on this stack has a level, with a `running` word of its own; the lowest level
** comes first, and those above the ones in use are IDLE. Only the worker goes up and down.
**
** EVENTS. Both sides number events from the first one that the worker has ever written. Each task
** may write a number of events that both sides know (the limit). Once `granted` names the task, it
** may write the events before the number stored there instead, which the submitter raises as it
** reads events; or none at all, when nobody wants them.
**
** THE RING holds records, each in one piece and a multiple of 16 bytes long. A record that does not
** fit before the end of the ring is preceded by a SKIP record, and both become visible together.
** When all that was written has been read, the worker may begin again at the first byte: it moves
** the origin, which is stored in the same word as the head. So all unread records have one origin,
** and a worker that is killed leaves either the old origin or the new one. What comes out of the
** ring is foreign input: the reader checks lengths and kinds, and rejects wrong ones with
** TINE_EINVALID.
**
** The submitter's functions are called under the pool's lock; a worker's by its one thread.
*/
#ifndef TINE_IPC_LINK_H
#define TINE_IPC_LINK_H

#include <stdbool.h>
#include <stdint.h>
#include "ipc/heap.h"
#include "ipc/shm.h"
#include "msg/progress.h"

#define LINK_LEVELS 1002u       /* levels, so tasks on top of each other */
#define LINK_RING (128u << 10)  /* bytes, power of two */
#define LINK_INLINE (16u << 10) /* a longer result goes to the heap */

enum record_kind {
    RECORD_SKIP,     /* fills the end of the ring */
    RECORD_READY,    /* the worker has reached its task loop; `id` is its pid; timed */
    RECORD_VALUES,   /* a result segment: the values */
    RECORD_ERROR,    /* a result segment: the error value and the traceback */
    RECORD_REFUSED,  /* text: the result (or the call) cannot be serialized */
    RECORD_STOPPED,  /* a chunk was stopped: tasks from `id` on never ran */
    RECORD_FAILED,   /* the initializer failed: as RECORD_ERROR; then the worker leaves */
    RECORD_LEAVING,  /* the worker ends in good order; `id` says why (enum parting) */
    RECORD_IDLE,     /* the worker has had nothing to do for idle_timeout */
    RECORD_PROGRESS, /* struct progress: the task's last word on it, before its result */
    RECORD_MEMORY,   /* struct report_memory (msg/report.h): the task hit its limit */
    RECORD_ENDED,    /* text: the task has ended as asked; traceback of where it was */
    RECORD_SUBMIT,   /* a task has submitted one: struct nested_call ... (msg/nested.h) */
    RECORD_AWAIT,    /* a task waits for tasks it submitted: their numbers; none: not any more */
    RECORD_CANCEL,   /* a task wants one it submitted not to begin: its number */
    RECORD_RAN,      /* errand `id` has run: empty, or a result segment as RECORD_ERROR */
    RECORD_FAULT,    /* errand `id` of the remote pool of call `ref` has failed: as RECORD_RAN */
    RECORD_EVENT,    /* a task has emitted an event: a result segment */
    RECORD_CARRIED,  /* before a result: the regions it names, as struct handle (ipc/arena.h) */
    RECORD_SPOILT,   /* a task has closed or replaced the worker's descriptors; it ends now */
    RECORD_UNFIT,    /* the worker lacks something it needs and ends now; `id` is an errno */
    RECORD_KINDS
};

/* The head of a record. */
struct record {
    uint64_t id : 56;   /* task */
    uint64_t kind : 6;  /* enum record_kind */
    uint64_t timed : 1; /* a struct record_times is between head and payload */
    uint64_t large : 1; /* the payload is a struct record_block */
    uint32_t length;    /* of the payload in the ring, without head and times */
    uint32_t ref;       /* the submitter's number of the call */
};
_Static_assert(sizeof(struct record) == 16, "two small results in a cache line");

struct record_block {
    uint64_t offset, length;
};

/* When the task of a record began and ended, according to its worker (ns, tine__now). */
struct record_times {
    uint64_t started, ended;
};

#define LINK_PLACE 8192u

enum run_state { RUN_IDLE, RUN_RUNNING, RUN_FINISHED, RUN_KILLED };
#define RUN_STOP 0x80u
#define RUN_ASKED 0x40u
#define RUN_TIMED 0x20u /* with ASKED: because its time is over */

struct link_shared; /* the first page(s) of the file */

struct link {
    struct shm shm; /* the first pages of the file: words and ring */
    struct link_shared *s;
    struct heap *heap;
    /* private, so that the other side cannot change them under us: */
    uint64_t at;          /* our own count of bytes: head for the worker, tail for the submitter */
    uint64_t seen;        /* the other side's count as last read */
    uint64_t origin;      /* the byte of the ring where count 0 would lie */
    uint64_t after;       /* submitter: where the peeked record ends */
    uint64_t block;       /* submitter: where the payload of the peeked record lies in the heap */
    unsigned level;       /* worker: level of the task that runs */
    uint64_t events;      /* events written (worker) or read (submitter) */
    uint64_t first_event; /* worker: number of the first event of the task that runs */
    /* worker: the task whose events are dropped because an earlier one was; 0: none */
    uint64_t gap;
    struct record_times times; /* of the peeked record, or of the one about to be written */
};

#define LINK_CLOSED \
    (struct link) { \
        .shm = SHM_CLOSED \
    }

/* --- both sides --- */
void tine__link_close(struct link *l);
/* Close the descriptor; what is mapped stays. */
void tine__link_retire(struct link *l);

/* --- the submitter's side --- */

/* Create the file for a worker that is to be started. Its descriptor (shm.fd)
** is passed on and kept. */
int tine__link_create(struct link *l);
/* Is there anything to read? One load. */
bool tine__link_pending(const struct link *l);
/* Is the ring more than half full, or does its worker wait for room? Then it must be read now,
** whatever the caller waits for. */
bool tine__link_pressed(const struct link *l);
/* Look at the next record: its head is copied to *r; *payload points into the ring (valid until
** tine__link_next) or, for a large record, into the heap (valid until the block is released).
** Returns 0; TINE_EAGAIN: there is none; TINE_EINVALID: rubbish, the worker is to be killed;
** TINE_ESYSTEM: the block cannot be mapped just now, and the record stays. */
int tine__link_peek(struct link *l, struct record *r, const char **payload, uint64_t *length);
/* Free the record's bytes in the ring, and wake the worker if it waits for room. The heap block of
** a large record is NOT released. */
void tine__link_next(struct link *l);
/* Are there more records among those seen at the last look at the ring? */
static inline bool link_has_more(const struct link *l) {
    return l->at != l->seen;
}
/* The block of a large record, to be released with tine__heap_release(l->heap, offset). */
uint64_t tine__link_block(const struct record *r, const struct link *l);
/* What the worker runs on the lowest level: state, id, and when it started (ns,
** tine__now; 0: unknown). */
enum run_state tine__link_running(const struct link *l, uint64_t *id, uint64_t *started);
/* The same for the first task in [first, first + count) on any level; IDLE: none of them runs. */
enum run_state tine__link_find(const struct link *l, uint64_t first, uint64_t count, uint64_t *id,
                               uint64_t *started);
/* Did the worker ever map the link? If not, it cannot have said anything. */
bool tine__link_attached(const struct link *l);
/* How many levels are in use; and the task on one of them. */
unsigned tine__link_levels(const struct link *l);
uint64_t tine__link_at(const struct link *l, unsigned level);
/* Post the letter at offset `place` of the call heap. *next, the letter's first word, is set to the
** letter before it. Wakes the worker if it waits for mail. */
void tine__link_post(struct link *l, uint64_t place, uint64_t *next);
/* How many letters the worker has finished with. */
uint64_t tine__link_read(const struct link *l);
/* The processor time (ns) that the worker had used when its task began, if that was noted. */
uint64_t tine__link_spent(const struct link *l);
/* The last progress of task `id`; false: none. */
bool tine__link_progress(const struct link *l, uint64_t id, struct progress *out);
/* Ask the worker where its task stands (the caller signals it afterwards); or, `want` false,
** withdraw the question. */
void tine__link_inquire(struct link *l, bool want);
/* The worker's answer about task `id`, cut to `size`. False: none yet. */
bool tine__link_inquired(const struct link *l, uint64_t id, char *out, size_t size, size_t *length);
/* Allow task `id` to write the events before number `upto`; LINK_NO_EVENTS: it need
** not write any. (events.c) */
#define LINK_NO_EVENTS (((uint64_t)1 << 40) - 1)
void tine__link_grant(struct link *l, uint64_t id, uint64_t upto);
/* End task `id` by force. True: its result cannot come any more, and the caller kills the worker
** now. False: the task is not running (finished, or not yet begun). */
bool tine__link_condemn(struct link *l, uint64_t id);
/* Ask task `id` to end. True: it was running (or had been asked before); the caller signals its
** worker, and its result will be RECORD_ENDED. A worker calls this for its own task, too. */
bool tine__link_ask(struct link *l, uint64_t id, bool timed);
/* Keep the chunk [id, id+count) from starting further tasks. True: tasks from *next on never run.
** False: the worker is not in this chunk. */
bool tine__link_stop(struct link *l, uint64_t id, uint32_t count, uint64_t *next);

/* --- the worker's side --- */

/* Map the file that came from the submitter. Takes over `fd`. */
int tine__link_attach(struct link *l, int fd);
/* Say that task `id` runs from `now` on (ns, tine__now). For the first task of a call always
** 0. For a later one of a chunk TINE_ECANCELLED when the rest was stopped, TINE_EAGAIN when
** the worker was condemned. */
int tine__link_begin(struct link *l, uint64_t id, bool first, uint64_t now);
/* Set the start of the running task anew; 0: it has yet to start. */
void tine__link_restart(struct link *l, uint64_t now);
/* Publish the progress of the running task. */
void tine__link_set_progress(struct link *l, const struct progress *p);
/* Before tine__link_begin: note the processor time that this process has used. */
void tine__link_note_spent(struct link *l);
/* Was the running task asked to end? RUN_ASKED, with or without RUN_TIMED, or 0.
** Async-signal-safe. */
unsigned tine__link_asked(const struct link *l);
/* Has the submitter asked where the task stands? Async-signal-safe. Then answer, with at most
** LINK_PLACE bytes. */
bool tine__link_wanted(const struct link *l);
void tine__link_tell(struct link *l, const char *place, size_t length);
/* After a task: 0; or TINE_EAGAIN: condemned, write nothing and end. *asked: the
** task was asked to end. */
int tine__link_finish(struct link *l, uint64_t id, bool *asked);
/* Put times into the record that is about to be written: when the task began, if that was noted,
** and `now` as its end. */
void tine__link_stamp(struct link *l, struct record *r, uint64_t now);
/* Likewise, with the present moment for both. */
void tine__link_stamp_now(struct link *l, struct record *r);
/* May task `id`, which runs and has this limit, write an event? Waits until it may. False: nobody
** wants the event; or there is no room and the task was asked to end; or that was so for an earlier
** event. `hard` is called before waiting when the submitter may have seen no event of this task: it
** may be asleep and has to be woken to grant more. (events.c) */
bool tine__link_await_grant(struct link *l, uint64_t id, uint64_t limit, void (*hard)(void *arg),
                            void *arg);
/* The call is done: IDLE. */
void tine__link_idle(struct link *l);
/* Go up one level, to run another task on top of the current one. False: too many levels. */
bool tine__link_up(struct link *l);
/* Go down again. The level becomes IDLE. */
void tine__link_down(struct link *l);
/* Take all letters posted so far: the offset of the last one, or 0. */
uint64_t tine__link_take_mail(struct link *l);
/* `n` more letters are finished with. */
void tine__link_has_read(struct link *l, uint64_t n);
/* Sleep until there is mail, for at most `ns`, or until a signal comes. */
void tine__link_await_mail(struct link *l, uint64_t ns);
/* Write a record with head.length payload bytes (<= LINK_INLINE). Blocks while the ring is full,
** calling `ring` (which wakes the manager) before it sleeps. */
void tine__link_write(struct link *l, struct record head, const void *payload,
                      void (*ring)(void *arg), void *arg);
/* Is the ring more than half full? Then the manager should be woken. */
bool tine__link_half_full(const struct link *l);

#endif
