/* The far site's inside: what its files share.
**
**     far.c      the operations, opening and closing
**     give.c     ... the scheduler's orders among them
**     send.c     calls, on their way out and back
**     orders.c   what hosts are told on their lines
**     hear.c     what comes in
**     answers.c  what hosts say of tasks, and the reports that it makes
**     print.c    ... and what these print (printer.h: the thread that writes it)
**     hosts.c    the hosts
**     news.c     reports that wait
**     errands.c  what every worker is to run once
**     time.c     signs of life, connecting again, nobody there
*/
#ifndef TINE_SITE_FAR_INTERNAL_H
#define TINE_SITE_FAR_INTERNAL_H

#include "base/list.h"
#include "gearman/connection.h"
#include "gearman/message.h"
#include "ipc/shm.h"
#include "msg/origin.h"
#include "site/far/far.h"
#include "site/far/printer.h"

#define FAR_WORKER 1 /* the one there is, as the scheduler counts */
#define FAR_REFS (FAR_SLOTS + 2)
#define FAR_BUCKETS 1024u
#define FAR_OLDS 1024u      /* calls that are wanted no more, and that servers keep */
#define FAR_BOUNCES 64u     /* calls of which it is remembered that they came back, */
#define FAR_BOUNCES_MOST 20 /* and how often they may */

#define FAR_SECOND 1000000000ull
#define FAR_MILLISECOND 1000000ull

enum far_stage {
    FAR_SENT,      /* no host has begun it */
    FAR_CONFIRMED, /* its host may have */
    FAR_BEGUN      /* its host has said so */
};

/* A host, as one connection knows it: its line. */
struct far_line {
    struct list node;     /* in server->lines */
    struct list sendings; /* confirmed to it, by `at` */
    struct far_server *server;
    char host[GM_UNIQUE], unique[GM_UNIQUE];
    char handle[GM_HANDLE];  /* "": not there yet, orders wait */
    const char *name;        /* kept for good */
    unsigned slots, running; /* running: sendings */
    uint64_t tasks;
    uint64_t said;     /* messages, so far */
    uint64_t heard;    /* when it has said something last */
    bool seen;         /* in the list that the server is just saying */
    bool away;         /* it is not there, as far as is known: its line is kept, but not told of */
    struct buf orders; /* to be said */
    struct far_worker *workers;  /* those that it has told of, */
    unsigned nworkers;           /* so many */
    const struct errand *errand; /* the last that it was told, or NULL: */
    uint64_t errands;            /* so many */
};

/* A call under way. */
struct far_sending {
    struct list node;   /* in server->sendings; until it has a handle in server->unnamed */
    struct list bucket; /* once it has one */
    struct list at;     /* of its line */
    struct far_server *server;
    struct far_line *line;
    char unique[GM_UNIQUE], handle[GM_HANDLE];
    uint8_t stage; /* enum far_stage */
    bool dead; /* nothing is to come of it any more, but the server, or a host, may still have it */
    /* Enum gm_order_kind that its host was told, or is to be as soon as it is known; 0: none. */
    uint8_t wanted;
    uint32_t ref, count;
    uint32_t next;           /* of its tasks, the first that has not ended */
    uint64_t id;             /* of the first */
    bool telling;            /* its host was asked how far it is */
    uint64_t events;         /* that the task `next` has emitted, */
    uint64_t granted;        /* and may, as its host was told */
    uint64_t begun;          /* when it was heard that it has (ns), */
    uint32_t there;          /* which worker of its host has it, */
    int pid;                 /* and its process; 0: not known */
    char speaker[GM_UNIQUE]; /* the host that was heard first of it, */
    uint64_t heard;          /* and how often */
    const struct store_refs *refs;
    const char *host; /* the name of its host, kept for good, or NULL */
    /* what its tasks print (print.c); NULL: nothing yet */
    struct far_output *output;
    struct list prints;    /* in far->printing */
    uint32_t prints_k;     /* the task that has printed last, and has not ended; UINT32_MAX: none */
    uint64_t told_written; /* bytes, to its host */
    /* What its host says waits for that, and is `held`; there is nothing more to come; it is not to wait any longer. */
    bool holds, held_last, hurried;
    struct buf held;
};

struct far_server {
    struct gm_conn conn;
    struct list sendings, unnamed, lines;
    unsigned nsent;
    unsigned hosts, slots;           /* as the server said last, */
    unsigned counted, counted_slots; /* or is just saying */
    uint64_t again;                  /* closed: when to connect next, */
    uint64_t pause;                  /* and after how long once more */
    uint64_t asked;                  /* when it was last asked who is there, */
    bool watched;                    /* who serves us will wake when it takes more */
    bool resting;  /* and nobody has wanted to know it since the time to ask again came */
    char why[160]; /* it cannot be reached; or was, but has not said yet who is there */
    /* What a host of our set registers there that does not fit us, or ""; and what the server is just saying of that. */
    char other[GM_FUNCTION], others[GM_FUNCTION];
};

/* What is to be reported, `more` times more for the tasks behind it. */
struct far_news {
    struct list node;
    struct report r;
    uint32_t more;
    char bytes[]; /* with a zero */
};

struct far {
    struct site base;
    struct shm directory; /* page 0 of the call heap */
    struct heap *heap;
    _Atomic uint32_t words[2]; /* of the bells */
    int bell;
    int manager; /* borrowed */

    struct far_options o;
    uint64_t event_buffer;
    char id[GM_UNIQUE];
    char function[GM_FUNCTION], line_function[GM_FUNCTION];
    unsigned nservers;
    struct far_server servers[GM_SERVERS];
    struct far_sending *by_ref[FAR_REFS];
    struct list buckets[FAR_BUCKETS];
    unsigned nsent, nolds; /* alive, dead */
    bool refused;          /* a call was: to be told when there is room */
    /* When what waits is lost, if nobody comes; 0: somebody is there, or nothing waits. */
    uint64_t desert;
    uint64_t slept; /* until then who serves us means to sleep */
    struct {
        uint64_t id;
        unsigned n;
    } bounces[FAR_BOUNCES];

    struct list news;
    struct far_news *told;       /* reported last */
    struct far_sending *reading; /* whose answers are being reported, or NULL */
    struct gm_reader answers;    /* what is left of them, in `plain` */
    bool summed;                 /* it is known */
    uint64_t behind; /* how long tasks ran whose ends are there yet, one after the other (ns) */
    bool stranger;   /* another host than its own says them */
    bool last;       /* they end it */
    struct far_line *from; /* who says them */
    struct buf plain, sealed;

    struct far_printer *printer; /* or NULL */
    struct list printing;        /* whose tasks have printed something, */
    atomic_bool wrote;           /* some of it was written since we looked */
    bool resumable;              /* and there may be some that need not wait for it any more */

    struct errand *errands, *last_errand; /* linked by `next`: the first is number 1 to hosts */
    uint64_t nerrands;

    bool started, leaving, left;
    bool ending, gone; /* REPORT_GONE is to be given; was given */
    uint64_t farewell; /* until then what was said last may still go out */
    bool lost;         /* somebody has taken our descriptors */
};

static inline struct far *far_of(struct site *s) {
    return (struct far *)s;
}

/* --- give.c --- */

void tine__far_give(struct site *s, const struct order *o, const struct site_call *call,
                    struct answer *a);

/* --- send.c --- */

/* Could another one be sent just now? */
bool tine__far_has_room(const struct far *f);
/* Send a call: 0, TINE_EAGAIN, TINE_ENOMEM. */
int tine__far_run(struct far *f, const struct order *o, const struct site_call *call);
/* Its host is to recall or to end it: it is told so now, or once it is known. */
void tine__far_want(struct far *f, struct far_sending *s, enum gm_order_kind kind);
/* It is this one. */
void tine__far_meet(struct far_sending *s, struct far_line *l);
/* The ids of what is named there, and of what shared values among that name themselves; adds their number to *n. 0 or
** TINE_ENOMEM. */
int tine__far_names(const struct store_refs *refs, struct buf *out, uint64_t *n);
/* Nothing is to come of it any more, whatever its host says: it is dead. */
void tine__far_forget(struct far *f, struct far_sending *s);
/* That, and nobody has it any more: it is gone. */
void tine__far_free(struct far *f, struct far_sending *s);
/* No host has begun it, and none is to. */
void tine__far_cancel(struct far *f, struct far_sending *s);

/* --- orders.c --- */

/* Add to what is to be said on a line, of this task (NULL: none). */
void tine__far_order(struct far_line *l, enum gm_order_kind kind, const char *unique,
                     const void *bytes, size_t n);
/* ... the function with this id, if it is named there. */
void tine__far_code(struct far_line *l, const struct store_refs *refs, uint64_t id);
/* Say it. */
void tine__far_say(struct far *f, struct far_line *l);

/* --- errands.c --- */

/* Every worker is to run it before its next task. */
void tine__far_spread(struct far *f, struct errand *e);
/* The host is to know of all there are. */
void tine__far_tell_errands(struct far *f, struct far_line *l);
/* A worker of the line has run one, which has failed: bytes as of ANSWER_FAULT. False: it makes no sense. */
bool tine__far_fault(const struct far *f, struct report *r);

/* --- news.c --- */

/* The next report that waits. */
bool tine__far_next_news(struct far *f, struct report *r);
/* A report about no task. */
void tine__far_tell(struct far *f, enum report_kind kind, const char *text);
/* Of its first task that has not ended. */
struct report tine__far_report_of(const struct far_sending *s, enum report_kind kind);
/* All that has not ended of the sending is lost, and it is forgotten. */
void tine__far_lose(struct far *f, struct far_sending *s, const char *why);
/* It is over for us, though its host has yet to hear that: what has begun of it is lost with our one worker, whose end
** follows. */
void tine__far_leave_behind(struct far *f, struct far_sending *s);
/* The same, of one that has not begun: it waits again. */
void tine__far_bounce(struct far *f, struct far_sending *s);

/* --- hosts.c --- */

/* The line of this host, which may have to come yet. NULL: no memory. */
struct far_line *tine__far_need_line(struct far_server *v, const char *host);
/* A host opens its line. False: it is none of ours. */
bool tine__far_begin_line(struct far *f, struct far_server *v, const struct gm_packet *p);
/* It says which workers it has (ANSWER_WORKERS), or one that has taken something up. */
void tine__far_meet_workers(struct far_line *l, const char *bytes, uint64_t length);
void tine__far_meet_worker(struct far_line *l, const struct gm_worker *w);
/* The host of the line is lost. */
void tine__far_lose_line(struct far *f, struct far_line *l, const char *why);
/* It is not there any more. */
void tine__far_free_line(struct far_line *l);

/* --- answers.c --- */

/* Its host says something of it; `last`: there is nothing more to come. */
void tine__far_heard(struct far *f, struct far_sending *s, const struct gm_packet *p, bool last);
/* The next answer of the message at hand (far->reading); a report, perhaps. */
bool tine__far_read_answer(struct far *f, struct report *r);

/* --- print.c --- */

/* As it came in ANSWER_PRINTED, of task `k`. */
void tine__far_print(struct far *f, struct far_sending *s, uint32_t k, struct gm_reader r);
/* It has ended. */
void tine__far_print_no_more(struct far *f, struct far_sending *s);
/* Task `k` has ended: may that be told? */
bool tine__far_is_written(struct far *f, struct far_sending *s, uint32_t k);
/* Hold what its host says until then. False: no memory. */
bool tine__far_hold(struct far *f, struct far_sending *s, const char *bytes, size_t n, bool last);
/* It is not to wait for what is printed any more. */
void tine__far_hurry(struct far *f, struct far_sending *s);
/* If something of that can go on it is the message at hand. */
bool tine__far_resume(struct far *f);
/* Has something been written? */
void tine__far_look_at_printer(struct far *f);
/* Its host has nothing more to say of it, and has said all. */
static inline bool far_has_ended(const struct far_sending *s) {
    return s->holds && s->held_last;
}

/* --- hear.c --- */

/* The next report. */
bool tine__far_hear(struct far *f, struct report *r);
/* The connection is closed. */
void tine__far_lose_server(struct far *f, struct far_server *v);
/* It has been made. */
void tine__far_greet(struct far *f, struct far_server *v);

/* --- time.c --- */

uint64_t tine__far_due(struct far *f);
void tine__far_tick(struct far *f, uint64_t now);
/* Is anything to be done, or under way? */
static inline bool far_is_wanted(const struct far *f) {
    return f->nsent > 0 || f->refused;
}

#endif
