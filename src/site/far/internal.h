/* Inside of the far site: what its files share. Everything is called under the pool's lock, except
** the printer's thread.
**
**     far.c      the operations, opening and closing
**     give.c     the scheduler's orders
**     send.c     calls: sending, taking back, forgetting
**     orders.c   what hosts are told on their lines
**     hear.c     what comes in
**     answers.c  what hosts say about tasks, and the reports it makes
**     print.c    what tasks print (printer.h: the thread that writes it)
**     hosts.c    the hosts
**     news.c     reports that wait to be given
**     errands.c  what every worker has to run once
**     time.c     signs of life, reconnecting, nobody there
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
#include "store/store.h"

#define FAR_WORKER 1 /* the id of the one worker that the scheduler sees */
#define FAR_REFS (FAR_SLOTS + 2)
#define FAR_BUCKETS 1024u
#define FAR_OLDS 1024u      /* most dead sendings that are left with servers */
#define FAR_BOUNCES 64u     /* calls for which it is counted how often they came back */
#define FAR_BOUNCES_MOST 20 /* and how often they may */

#define FAR_SECOND 1000000000ull
#define FAR_MILLISECOND 1000000ull

enum far_stage {
    FAR_SENT,      /* no host may begin it yet */
    FAR_CONFIRMED, /* its host may have begun it */
    FAR_BEGUN      /* its host has said that it began */
};

/* A host, as known from one connection: its line. */
struct far_line {
    struct list node;     /* in server->lines */
    struct list sendings; /* calls that this host has, linked by `at` */
    struct far_server *server;
    char host[GM_UNIQUE], unique[GM_UNIQUE];
    char handle[GM_HANDLE];  /* "": the line is not open yet, and orders wait */
    const char *name;        /* never freed */
    unsigned slots, running; /* running: number of sendings */
    uint64_t tasks;
    uint64_t said;  /* messages sent on it so far */
    uint64_t heard; /* when the host was last heard */
    bool seen;      /* in the list that the server is sending just now */
    bool away; /* not connected, as far as known: the line is kept, but the host is not shown */
    struct buf orders;           /* orders to be sent */
    struct far_worker *workers;  /* its workers that are known */
    unsigned nworkers;           /* their number */
    const struct errand *errand; /* the last errand it was told of, or NULL */
    uint64_t errands;            /* how many it was told of */
};

/* A call under way: one attempt to have it run by a host. */
struct far_sending {
    struct list node;   /* in server->sendings; before it has a handle, in server->unnamed */
    struct list bucket; /* in far->buckets, by handle */
    struct list at;     /* in line->sendings */
    struct far_server *server;
    struct far_line *line;
    char unique[GM_UNIQUE], handle[GM_HANDLE];
    uint8_t stage; /* enum far_stage */
    bool dead; /* nothing it brings matters any more, but a server or a host may still have it */
    /* The enum gm_order_kind that its host was told, or will be once known; 0: none. */
    uint8_t wanted;
    uint32_t ref, count;
    uint32_t next;           /* index of the first task that has not ended */
    uint64_t id;             /* of its first task */
    bool telling;            /* its host was asked for progress */
    uint64_t events;         /* events that task `next` has emitted */
    uint64_t granted;        /* events that it may emit, as its host was told */
    uint64_t begun;          /* when it was heard that it began (ns) */
    uint32_t there;          /* the worker of the host that has it */
    int pid;                 /* that worker's process; 0: unknown */
    char speaker[GM_UNIQUE]; /* the host that spoke about it first */
    uint64_t heard;          /* how many messages came from that host */
    const struct store_refs *refs;
    const char *host; /* name of its host, never freed, or NULL */
    /* output of its tasks (print.c); NULL: none yet */
    struct far_output *output;
    struct list prints;    /* in far->printing */
    uint32_t prints_k;     /* the task that printed last and has not ended; UINT32_MAX: none */
    uint64_t told_written; /* bytes that its host knows to be written */
    /* holds: answers wait in `held` until output is written; held_last: they are the last ones;
    ** hurried: they must not wait any longer. */
    bool holds, held_last, hurried;
    struct buf held;
};

struct far_server {
    struct gm_conn conn;
    struct list sendings, unnamed, lines;
    unsigned nsent;
    unsigned hosts, slots; /* hosts of our set and their workers, in the server's last list */
    unsigned counted, counted_slots; /* likewise in the list that it is sending */
    uint64_t again;                  /* closed: when to connect again */
    uint64_t pause;                  /* and the pause before the next attempt */
    uint64_t asked;                  /* when it was last asked for its list of hosts */
    bool watched;  /* a thread polls for writing, and wakes when the socket has room */
    bool resting;  /* nothing was wanted when it was time to ask again */
    char why[160]; /* why it is of no use: cannot be reached, or has not sent a list yet */
    /* The function registered there by hosts of our set that do not fit us, or ""; others: in the
    ** list that it is sending. */
    char other[GM_FUNCTION], others[GM_FUNCTION];
};

/* A report to be given, then `more` times again for the tasks after it. */
struct far_news {
    struct list node;
    struct report r;
    uint32_t more;
    char bytes[]; /* NUL-terminated */
};

struct far {
    struct site base;
    struct shm directory; /* first page of the call heap: its directory */
    struct heap *heap;
    _Atomic uint32_t words[2]; /* the bells' words */
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
    unsigned nsent, nolds; /* sendings that are alive, and dead ones */
    bool refused;          /* a call was refused: REPORT_ROOM is due when there is room */
    /* When waiting tasks are lost if no host comes; 0: there is a host, or nothing waits. */
    uint64_t desert;
    uint64_t slept; /* until when the thread that polls means to sleep */
    struct {
        uint64_t id;
        unsigned n;
    } bounces[FAR_BOUNCES];

    struct list news;
    struct far_news *told;       /* reported last */
    struct far_sending *reading; /* the sending whose answers are being read, or NULL */
    struct gm_reader answers;    /* the rest of those answers, in `plain` */
    bool summed;                 /* `behind` was computed for this message */
    /* how long the tasks ran, one after the other, whose ends are still unread (ns) */
    uint64_t behind;
    bool stranger;         /* they come from another host than its own */
    bool last;             /* they are the last */
    struct far_line *from; /* the host that says them */
    struct buf plain;      /* what a host has said, as long as it is read */
    struct buf call;       /* a call that is being sent; */
    struct buf sealed;     /* the same or orders, sealed */

    struct far_printer *printer; /* or NULL */
    struct list printing;        /* sendings whose tasks have printed something */
    atomic_bool wrote;           /* set by the printer: output was written since we looked */
    bool resumable;              /* some held answers may not have to wait any more */

    struct errand *errands, *last_errand; /* linked by `next`; hosts number them from 1 */
    uint64_t nerrands;

    bool started, leaving;
    bool ending, gone; /* REPORT_GONE is due; was given */
    uint64_t farewell; /* until then the last messages may still go out, and output is written */
    bool lost;         /* the program has closed or replaced our descriptors */
};

static inline struct far *far_of(struct site *s) {
    return (struct far *)s;
}

/* --- give.c --- */

void tine__far_give(struct site *s, const struct order *o, const struct site_call *call,
                    struct answer *a);

/* --- send.c --- */

/* Could another call be sent now? */
bool tine__far_has_room(const struct far *f);
/* Send a call: 0, TINE_EAGAIN, TINE_ENOMEM. */
int tine__far_run(struct far *f, const struct order *o, const struct site_call *call);
/* Have the host of the sending recall or end it: tell it now, or once the host is known. */
void tine__far_want(struct far *f, struct far_sending *s, enum gm_order_kind kind);
/* The sending is with the host of this line. */
void tine__far_meet(struct far_sending *s, struct far_line *l);
/* Append the ids of what references lead to. 0 or TINE_ENOMEM. */
int tine__far_ids(const struct store_reach *r, struct buf *out);
/* Ignore whatever its host says from now on: the sending is dead. */
void tine__far_forget(struct far *f, struct far_sending *s);
/* Likewise, and nobody has it any more: free it. */
void tine__far_free(struct far *f, struct far_sending *s);
/* No host has begun it, and none shall. */
void tine__far_cancel(struct far *f, struct far_sending *s);

/* --- orders.c --- */

/* Add an order to a line, about this task (unique NULL: none). */
void tine__far_order(struct far_line *l, enum gm_order_kind kind, const char *unique,
                     const void *bytes, size_t n);
/* Add a function or a shared value. */
void tine__far_code(struct far_line *l, const struct codec_stored *stored);
/* Send the line's orders. */
void tine__far_say(struct far *f, struct far_line *l);

/* --- errands.c --- */

/* Every worker has to run it before its next task. */
void tine__far_spread(struct far *f, struct errand *e);
/* Tell the host of all errands it does not know. */
void tine__far_tell_errands(struct far *f, struct far_line *l);
/* It could not keep one: tell it of all again. */
void tine__far_forget_errands(struct far_line *l);
/* A worker of the line has run an errand, which failed: bytes as in ANSWER_FAULT.
** False: they make no sense. */
bool tine__far_fault(const struct far *f, struct report *r);

/* --- news.c --- */

/* The next report that waits. */
bool tine__far_next_news(struct far *f, struct report *r);
/* Add a report that is about no task. */
void tine__far_tell(struct far *f, enum report_kind kind, const char *text);
/* A report about the first task of the sending that has not ended. */
struct report tine__far_report_of(const struct far_sending *s, enum report_kind kind);
/* Report everything of the sending that has not ended as lost, and forget it. */
void tine__far_lose(struct far *f, struct far_sending *s, const char *why);
/* The pool ends, though the host has yet to hear that: what has begun of the sending is lost with
** the one worker, whose end follows. */
void tine__far_leave_behind(struct far *f, struct far_sending *s);
/* The host has not begun it: its tasks wait again in the scheduler. */
void tine__far_bounce(struct far *f, struct far_sending *s);

/* --- hosts.c --- */

/* The line of this host, made if it is missing. NULL: no memory. */
struct far_line *tine__far_need_line(struct far_server *v, const char *host);
/* A host opens its line. False: it is none of ours. */
bool tine__far_begin_line(struct far *f, struct far_server *v, const struct gm_packet *p);
/* The host has said which workers it has (ANSWER_WORKERS), or that one has taken a task. */
void tine__far_meet_workers(struct far_line *l, const char *bytes, uint64_t length);
void tine__far_meet_worker(struct far_line *l, const struct gm_worker *w);
/* The host of the line is lost. */
void tine__far_lose_line(struct far *f, struct far_line *l, const char *why);
/* Free a line whose host is gone. */
void tine__far_free_line(struct far_line *l);

/* --- answers.c --- */

/* A host has said something about the sending; `last`: the last message about it. */
void tine__far_heard(struct far *f, struct far_sending *s, const struct gm_packet *p, bool last);
/* Read the next answer of the current message (far->reading). True: it is a report. */
bool tine__far_read_answer(struct far *f, struct report *r);

/* --- print.c --- */

/* ANSWER_PRINTED of task `k`; `r` reads its bytes. */
void tine__far_print(struct far *f, struct far_sending *s, uint32_t k, struct gm_reader r);
/* The sending has ended: complete its last lines. */
void tine__far_print_no_more(struct far *f, struct far_sending *s);
/* Task `k` has ended: is its output written, so that this may be reported? */
bool tine__far_is_written(struct far *f, struct far_sending *s, uint32_t k);
/* Hold what its host says until then. False: no memory. */
bool tine__far_hold(struct far *f, struct far_sending *s, const char *bytes, size_t n, bool last);
/* Report its end without waiting for its output. */
void tine__far_hurry(struct far *f, struct far_sending *s);
/* If held answers need not wait any more, make them the current message. */
bool tine__far_resume(struct far *f);
/* Take in what the printer has written. */
void tine__far_look_at_printer(struct far *f);
/* Have its last answers come, although they are held? */
static inline bool far_has_ended(const struct far_sending *s) {
    return s->holds && s->held_last;
}

/* --- hear.c --- */

/* The next report. */
bool tine__far_hear(struct far *f, struct report *r);
/* The connection is closed. */
void tine__far_lose_server(struct far *f, struct far_server *v);
/* The connection was made. */
void tine__far_greet(struct far *f, struct far_server *v);

/* --- time.c --- */

uint64_t tine__far_due(struct far *f);
void tine__far_tick(struct far *f, uint64_t now);
/* Is anything under way, or waiting for room? */
static inline bool far_is_wanted(const struct far *f) {
    return f->nsent > 0 || f->refused;
}

#endif
