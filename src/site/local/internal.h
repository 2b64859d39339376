/* Inside of the local site. Everything is called under the pool's lock, as all of a site, except
** the printer's thread.
**
**     local.c    opening and closing, memory, what to sleep on
**     orders.c   orders, and where calls are
**     reports.c  which report comes next, and reports from the fork server
**     rings.c    reports from the result rings
**     deaths.c   reports about a worker that has ended
**     debts.c    answers that the fork server owes
**     lanes.c    the links to workers, and who still needs them
**     output.c   output of tasks that is captured or relayed
**     relay.c    relayed output, as reports
**     printer.c  output with prefixes, written by a thread of its own (printer.h) */
#ifndef TINE_SITE_LOCAL_INTERNAL_H
#define TINE_SITE_LOCAL_INTERNAL_H

#include "base/hot.h"
#include "base/list.h"
#include "ipc/arena.h"
#include "ipc/link.h"
#include "ipc/queue.h"
#include "msg/settings.h"
#include "site/local/local.h"

/* A link, and how many still need its memory: the worker itself, and each result kept in its
** heap. */
struct stream;
struct lane {
    struct link link;
    unsigned refs;
    uint32_t seat;          /* ticket of the worker's seat in the arena */
    struct carried carried; /* regions named by the next result */
    int pid;                /* 0: not known yet */
    /* Its task was asked to end: send MESSAGE_ASK when the control socket has room. */
    bool ask;
    uint64_t posted;      /* number of letters */
    int signal;           /* to be sent when the control socket has room; 0: none */
    bool killed;          /* SIGKILL was sent: its end must be heard */
    bool broken;          /* it has written rubbish: nothing more is read from it */
    bool spoilt;          /* it ends because a task has closed or replaced its descriptors */
    int unfit;            /* errno: it ends because it could not work; 0 */
    struct list outputs;  /* streams of its tasks (output.c) */
    uint64_t output_told; /* the task whose output was reported last */
};

/* A call that was handed over, by its ref. The scheduler does not say when it has finished with a
** ref: an entry is valid until the next call with the same ref. */
struct handed {
    /* Sequence number in the queue; 0: it was taken back, or there is no call;
    ** UINT64_MAX: it was posted. */
    uint64_t seq;
    /* if posted: the number of its letter among those to its worker, from 1; else 0 */
    uint64_t letter;
    uint64_t id;
    uint32_t count;
    unsigned worker; /* the worker that has taken it, once known; 0 */
    uint8_t output;  /* enum output_mode, as long as there may be output to report */
    /* of relayed output: */
    uint64_t unwritten; /* bytes reported and not written yet */
    uint64_t labelled;  /* the task whose label was reported last */
};

struct local {
    struct site base;
    struct queue queue;
    struct shm directory; /* first page of the call heap: its directory */
    struct heap *heap;
    struct arena *arena;
    uint32_t seat; /* ticket of the fork server's seat */
    int control;   /* -1: the fork server is gone */
    int bell;      /* the event of the waiter's bell */
    int manager;   /* the event of the manager's wakeup, borrowed */
    struct root_watch *watch;
    struct errand *errand;       /* the last errand given out */
    struct errand_place errands; /* where the first one lies */
    unsigned unwoken;            /* calls put since the last flush */
    bool left; /* calls put before may be left to workers that look by themselves */

    struct handed *handed; /* by ref */
    uint32_t nrefs;

    /* reports */
    char *packet;         /* MESSAGE_MAX bytes: the message received last */
    bool readable;        /* the control socket may be readable */
    bool unnamed;         /* for some worker REPORT_STARTED may still have to come */
    bool blocked;         /* the control socket was full: poll until it has room */
    bool room;            /* it has room again: to be reported */
    bool lost;            /* a descriptor of ours was closed or replaced: the site ends */
    int server;           /* the fork server's pid; 0: not known yet */
    bool over;            /* it was told to end */
    bool silent;          /* ... or to kill a worker, and has not answered: the site ends */
    bool reminded;        /* half of that time is over */
    uint64_t due;         /* by when it must have answered; 0: it owes no answer */
    uint64_t look_at;     /* when to look next for processes that were stopped */
    bool farewell;        /* the fork server has ended in good order: to be reported */
    uint32_t step;        /* the last message_kind about its start, 0: none yet */
    unsigned cursor;      /* the lane to read next */
    struct lane *reading; /* the lane whose record was reported last; NULL: it was given back */
    bool kept, large;     /* about the block of that record */
    uint64_t block;
    struct report death;  /* the end of a worker, to be reported after its results and losses */
    struct progress last; /* of the task that the dead worker was running */
    bool death_told;      /* `last` was reported */
    uint64_t death_seq;   /* sequence number of the call it took last */
    unsigned death_level; /* calls on levels from this one on were looked at */
    uint32_t death_ref;   /* calls with lower refs were looked at */

    /* output of tasks */
    int notes;               /* socket: notes on tasks whose output comes here */
    bool deserted;           /* nobody is left to send notes: the fork server has died */
    int prints;              /* socket: notes for the printer */
    struct printer *printer; /* NULL: no task with a prefix yet */
    struct report gone;      /* REPORT_GONE, to be reported when the printer has finished, */
    uint64_t gone_by;        /* or this time has come */
    bool captures;       /* some task's output comes here: results may have output before them */
    int outputs;         /* epoll of `notes` and the pipes; -1: not needed yet */
    char *scratch;       /* SCRATCH bytes: what was read last */
    struct stream *told; /* the stream whose bytes were reported last */
    struct list relays;  /* relayed output to be reported (relay.c) */
    struct relayed *relayed; /* the piece that was reported last */
    struct list loose;       /* streams into which only programs write that a task left behind */
    unsigned nloose;

    unsigned top;        /* the highest id of a worker ever started */
    unsigned workers;    /* the highest id there is room for */
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
/* Send the signals that are due. False: the control socket is full. */
bool tine__local_send_signals(struct local *l);

/* If a worker was stopped (SIGSTOP) with a place of the queue that is needed, let it go on. */
COLD void tine__local_unblock(struct local *l);

void tine__local_post(struct site *s, unsigned worker, uint64_t place, struct letter *letter);
uint64_t tine__local_read(struct site *s, unsigned worker);

/* reports.c */
bool tine__local_report(struct site *s, struct report *r, bool listen);

/* rings.c */
/* Report the next record of this worker's ring. */
bool tine__local_read_lane(struct local *l, unsigned worker, struct report *r);
/* Report the next record of any ring. */
bool tine__local_read_rings(struct local *l, struct report *r);
/* The quick way for the results of a chunk: if the record after the last result is already seen,
** small, and of the next task of the same call, report it, changing in *r only what differs. False:
** use the general way. */
bool tine__local_read_again(struct local *l, struct report *r);
/* Report what task r->id of call r->ref has printed: all of it, or the first piece. False:
** nothing. */
bool tine__local_tell_printed(struct local *l, struct lane *lane, struct report *r);
/* Give back what was reported last. */
void tine__local_give_back(struct local *l);
/* Keep the block of what was reported last. */
void tine__local_keep(struct site *s, const struct report *r);

/* deaths.c */
/* A worker has ended: find the call that it had taken last. */
COLD void tine__local_begin_death(struct local *l, const struct report *r);
/* The next report that follows from its end. */
COLD bool tine__local_tell_death(struct local *l, struct report *r);

/* output.c */
/* Open the sockets; worker_ends receives the workers' ends (SETUP_CAPTURE, SETUP_PRINT). 0,
** TINE_ESYSTEM, TINE_ENOMEM. */
int tine__local_open_outputs(struct local *l, int worker_ends[2]);
void tine__local_close_outputs(struct local *l);
/* The epoll is readable: read everything. */
void tine__local_read_outputs(struct local *l);
/* Task r->id of this worker has ended: report all it has printed. */
void tine__local_tell_output(struct local *l, struct lane *lane, struct report *r);
/* That report was taken: free its bytes. */
void tine__local_told_output(struct local *l);
/* A task with relayed output has ended: read the rest, so that it is there to be reported. */
void tine__local_finish_output(struct local *l, struct lane *lane, uint64_t task);
/* The worker has ended. */
void tine__local_drop_outputs(struct local *l, struct lane *lane);
void tine__local_written(struct site *s, uint32_t ref, uint64_t bytes);

/* relay.c */
/* A task has printed something, or (`to` 0) is about to: queue a report. */
void tine__local_relay(struct local *l, const struct report *where, int to, const char *bytes,
                       size_t n);
/* Has so much of the call's output been reported and not written that its pipes must not be
** read? */
bool tine__local_is_full(const struct local *l, uint32_t ref);
/* Report the next piece. */
COLD bool tine__local_tell_relayed(struct local *l, struct report *r);
void tine__local_close_relays(struct local *l);

/* debts.c */
/* The fork server was told to end, or to kill a worker: it must answer in time. */
COLD void tine__local_owe(struct local *l);
/* A worker has ended. */
COLD void tine__local_paid(struct local *l);
uint64_t tine__local_due(struct site *s);
/* The time has come, if there is one. */
void tine__local_dun(struct local *l, uint64_t now);

/* lanes.c */
/* A lane with its link, and one reference. NULL: errno. */
struct lane *tine__lane_new(void);
/* Drop the regions of a result that is not wanted. */
void tine__lane_drop_carried(struct lane *lane);
void tine__lane_unref(struct lane *lane);
/* Remove the lane of a worker that has ended; its id is free again. */
void tine__local_forget(struct local *l, unsigned worker);
/* The worker that has taken the call; 0: none. */
unsigned tine__local_find(struct local *l, uint32_t ref); /* asks the queue */
static inline unsigned tine__local_who(struct local *l, uint32_t ref) {
    const struct handed *h = &l->handed[ref];
    return h->worker || !h->seq ? h->worker : tine__local_find(l, ref);
}
/* Has the worker read the letter with this call? */
bool tine__local_was_read(const struct local *l, const struct handed *h);

#endif
