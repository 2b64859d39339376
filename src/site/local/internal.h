/* Inside of the local site. Under the pool's lock, as all of a site.
**
**     local.c    opening and closing, memory, what to sleep on
**     orders.c   orders, and where calls are
**     reports.c  reports: which comes next, and what the fork server says
**     rings.c    ... from the result rings
**     deaths.c   ... of a worker that has ended
**     lanes.c    workers' links, and who still needs them
**     output.c   what tasks print that is captured, or relayed
**     relay.c    ... and is to be told as it comes
**     printer.c  ... and is written behind a prefix, by a thread of its own (printer.h)
*/
#ifndef TINE_SITE_LOCAL_INTERNAL_H
#define TINE_SITE_LOCAL_INTERNAL_H

#include "base/hot.h"
#include "base/list.h"
#include "ipc/arena.h"
#include "ipc/link.h"
#include "ipc/queue.h"
#include "msg/settings.h"
#include "site/local/local.h"

/* A link and who still needs its memory: the worker's place, and each result kept in its heap. */
struct stream;
struct lane {
    struct link link;
    unsigned refs;
    uint32_t seat;          /* the worker's, in the arena */
    struct carried carried; /* regions that the result which comes next names */
    int pid;                /* 0: not heard yet */
    /* Its task was asked to end: it is to be told to look when the control socket has room. */
    bool ask;
    uint64_t posted;      /* letters */
    int signal;           /* to be sent when the control socket has room, or 0 */
    bool broken;          /* it said rubbish: nothing more is read from it */
    bool spoilt;          /* it ends because a task has taken its descriptors away */
    int unfit;            /* it ends because it cannot be a worker: an errno */
    struct list outputs;  /* of its tasks (output.c) */
    uint64_t output_told; /* of this one it was reported last */
};

/* A call that was handed over, by its ref. The scheduler does not say when it is done with one: an entry
** is good until the next call of this number. */
struct handed {
    /* In the queue; 0: none, or it was taken back; of one that was posted UINT64_MAX. */
    uint64_t seq;
    uint64_t letter; /* of one that was posted: which letter to its worker it is, from 1; else 0 */
    uint64_t id;
    uint32_t count;
    unsigned worker; /* who has taken it, once that is known; 0 */
    uint8_t output;  /* enum output_mode, as long as what its tasks print may come */
    /* of one whose output is relayed: */
    uint64_t unwritten; /* bytes that were told of what its tasks print, and not written yet */
    uint64_t labelled;  /* the task whose label was told last */
};

struct local {
    struct site base;
    struct queue queue;
    struct shm directory; /* page 0 of the call heap */
    struct heap *heap;
    struct arena *arena;
    uint32_t seat; /* the fork server's */
    int control;   /* -1: the fork server is gone */
    int bell;      /* event of the waiter's bell */
    int manager;   /* of the manager's wakeup, borrowed */
    struct root_watch *watch;
    struct errand *errand;       /* the last one that was spread, */
    struct errand_place errands; /* and where the first one is */
    unsigned unwoken;            /* calls that were handed over since the last flush */
    bool left;                   /* some of those before are left to workers that spin */

    struct handed *handed; /* by ref */
    uint32_t nrefs;

    /* reports */
    char *packet;         /* MESSAGE_MAX bytes: what was received last */
    bool readable;        /* the control socket may have something */
    bool unnamed;         /* of some worker it may still have to say which process it is */
    bool blocked;         /* something could not be sent: wait until it takes more */
    bool room;            /* it does: to be reported */
    bool lost;            /* a descriptor of ours was taken away: all is over */
    bool over;            /* the fork server was told to end */
    bool farewell;        /* it has ended in good order, and that is to be reported */
    uint32_t step;        /* how far it has come: the message_kind that said so, 0: nothing heard */
    unsigned cursor;      /* the lane that is being read */
    struct lane *reading; /* its record was reported last, and is to be given back */
    bool kept, large;     /* that record's block */
    uint64_t block;
    struct report death;  /* a worker's end that is to be told when its results and losses are */
    struct progress last; /* of the task that it was in the midst of */
    bool death_told;      /* that */
    uint64_t death_seq;   /* of the call that it had taken last */
    unsigned death_level; /* calls on the levels from this one on were looked at, */
    uint32_t death_ref;   /* calls below this one were looked at */

    /* what tasks print */
    int notes;               /* socket: of what has begun */
    int prints;              /* socket: of what has prefixes */
    struct printer *printer; /* NULL: there was no such thing yet */
    struct report gone;      /* all is over, and that is to be reported when the printer is, too */
    bool captures;           /* some call was captured: results may have output before them */
    int outputs;             /* epoll of that, and of the pipes */
    char *scratch;           /* what was read last */
    struct stream *told;     /* whose bytes were reported last */
    struct list relays;      /* what is to be reported of that as it comes (relay.c), */
    struct relayed *relayed; /* and what was last */
    struct list loose;       /* into which only programs write that a task has left behind */
    unsigned nloose;

    unsigned top;        /* no worker above this id was ever started */
    unsigned workers;    /* the highest id */
    struct lane **lanes; /* by worker id; NULL: none */
};

static inline struct local *local_of(struct site *s) {
    return (struct local *)s;
}

/* orders.c */
void tine__local_give(struct site *s, const struct order *o, const struct site_call *call,
                      struct answer *a);
bool tine__local_inquire(struct site *s, unsigned worker, bool want);
bool tine__local_inquired(struct site *s, unsigned worker, uint64_t id, char *out, size_t size,
                          size_t *length);
bool tine__local_taken(struct site *s, uint32_t ref);
bool tine__local_progress(struct site *s, uint32_t ref, uint64_t id, struct progress *out);
void tine__local_grant(struct site *s, uint32_t ref, unsigned worker, uint64_t id, uint64_t number);
/* Send the signals that are due. False: not all could be sent yet. */
bool tine__local_send_signals(struct local *l);

void tine__local_post(struct site *s, unsigned worker, uint64_t place, struct letter *letter);
uint64_t tine__local_read(struct site *s, unsigned worker);

/* reports.c */
bool tine__local_report(struct site *s, struct report *r, bool listen);

/* rings.c */
/* The next record of that worker's ring as a report. */
bool tine__local_read_lane(struct local *l, unsigned worker, struct report *r);
/* The next one of any. */
bool tine__local_read_rings(struct local *l, struct report *r);
/* One more result of the call that the last one was of, as nearly always in a chunk: small, by itself, and read from the
** ring already. All else of the report is as it was. */
bool tine__local_read_again(struct local *l, struct report *r);
/* Report what the task r->id of the call r->ref has printed: all of it, or the first piece. False: nothing. */
bool tine__local_tell_printed(struct local *l, struct lane *lane, struct report *r);
/* Done with what was reported last, */
void tine__local_give_back(struct local *l);
/* but for its block. */
void tine__local_keep(struct site *s, const struct report *r);

/* deaths.c */
/* A worker's end has been heard: which call had it taken last? */
COLD void tine__local_begin_death(struct local *l, const struct report *r);
/* The next report that comes of it. */
COLD bool tine__local_tell_death(struct local *l, struct report *r);

/* output.c */
/* Fills in the ends for workers: SETUP_CAPTURE, SETUP_PRINT. 0, TINE_ESYSTEM, TINE_ENOMEM. */
int tine__local_open_outputs(struct local *l, int worker_ends[2]);
void tine__local_close_outputs(struct local *l);
/* The epoll is readable: read what there is. */
void tine__local_read_outputs(struct local *l);
/* Task r->id of this worker has ended: report all that it has printed. */
void tine__local_tell_output(struct local *l, struct lane *lane, struct report *r);
/* That was taken. */
void tine__local_told_output(struct local *l);
/* The same of one that is relayed: all that it has printed is there to be told. */
void tine__local_finish_output(struct local *l, struct lane *lane, uint64_t task);
/* The worker is no more. */
void tine__local_drop_outputs(struct local *l, struct lane *lane);
void tine__local_written(struct site *s, uint32_t ref, uint64_t bytes);

/* relay.c */
/* A task has printed something, or (`to` 0) begins to: to be told. */
void tine__local_relay(struct local *l, const struct report *where, int to, const char *bytes,
                       size_t n);
/* So much of the call was told and not written that its pipes are not to be read. */
bool tine__local_is_full(const struct local *l, uint32_t ref);
/* Tell the next one. */
COLD bool tine__local_tell_relayed(struct local *l, struct report *r);
void tine__local_close_relays(struct local *l);

/* lanes.c */
/* With its link, counted once. NULL: errno tells. */
struct lane *tine__lane_new(void);
/* What the result that comes next names is not wanted. */
void tine__lane_drop_carried(struct lane *lane);
void tine__lane_unref(struct lane *lane);
/* The worker's place is free again. */
void tine__local_forget(struct local *l, unsigned worker);
/* Who has taken the call; 0: nobody. */
unsigned tine__local_find(struct local *l, uint32_t ref); /* the queue says it */
static inline unsigned tine__local_who(struct local *l, uint32_t ref) {
    const struct handed *h = &l->handed[ref];
    return h->worker || !h->seq ? h->worker : tine__local_find(l, ref);
}
/* Has its worker read the letter that it was posted in? */
bool tine__local_was_read(const struct local *l, const struct handed *h);

#endif
