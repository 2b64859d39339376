/* Inside of the site without processes. Calls are touched under the pool's lock, except what
** inner.h leaves to the thread that runs one.
**
**     here.c     running; descriptors; opening and closing
**     orders.c   the scheduler's orders, and questions about calls
**     reports.c  reports */
#ifndef TINE_SITE_HERE_INTERNAL_H
#define TINE_SITE_HERE_INTERNAL_H

#include "base/list.h"
#include "site/here/here.h"
#include "worker/inner/inner.h"

#define HERE_WORKER 1 /* the id of the one worker */
#define HERE_REFS (HERE_SLOTS + 2)

enum here_stage {
    STAGE_NONE,
    STAGE_WANTED,  /* to be started */
    STAGE_STARTED, /* REPORT_STARTED comes next */
    STAGE_JUDGED,  /* the result of the start is reported next */
    STAGE_UP,      /* calls can be run */
    STAGE_ENDED,   /* REPORT_EXITED comes next */
    STAGE_OVER     /* nothing is run any more */
};

struct here_call {
    struct list node;  /* in here->calls, told or withdrawn */
    uint32_t reported; /* number of answers reported */
    bool begun;
    bool told; /* the first event in its queue was reported and has to be removed */
    bool said; /* its last progress was reported */
    bool over; /* no more answers will come */
    char bytes[CALL_INLINE];
    struct inner_call call; /* last member: it ends with a list of answers */
};

struct here {
    struct site base;
    struct shm directory; /* first page of the call heap: its directory */
    struct heap *heap, *reader;
    struct inner *inner;
    _Atomic uint32_t words[2]; /* the bells' words */
    int bell;
    int manager; /* borrowed */

    enum here_stage stage;
    enum inner_start judgement;           /* result of the start, for STAGE_JUDGED */
    uint64_t judged_at;                   /* when that was known */
    struct buf said;                      /* its error text or segment */
    bool busy;                            /* a thread is in here_work */
    bool leaving;                         /* the worker is to end when nothing is left */
    bool ending, gone;                    /* REPORT_GONE is due; was given */
    bool lost;                            /* the program has closed or replaced our descriptors */
    struct list calls;                    /* to be run */
    struct list told;                     /* begun: running, or with answers to report; in order */
    struct list withdrawn;                /* the call withdrawn last, while its bytes may be read */
    struct errand *errands, *last_errand; /* still to be run, linked by `next` */
    struct errand *errand;                /* was run, and is to be reported */
    struct buf errand_said;               /* its error segment; empty: none */
    struct here_call *by_ref[HERE_REFS];
};

static inline struct here *here_of(struct site *s) {
    return (struct here *)s;
}

/* orders.c */
void tine__here_give(struct site *s, const struct order *o, const struct site_call *call,
                     struct answer *a);
bool tine__here_taken(struct site *s, uint32_t ref);
/* Free a call, or all in a list. */
void tine__here_forget(struct here *h, struct here_call *c);
void tine__here_forget_all(struct here *h, struct list *list);
/* End the site as soon as no thread is at work in it; a task that runs in another
** thread is asked to end. */
void tine__here_end(struct here *h);

/* reports.c */
bool tine__here_news(struct site *s, bool pressed);
bool tine__here_report(struct site *s, struct report *r, bool listen);

/* Has the site ended, so that REPORT_GONE can be given? */
static inline bool here_is_over(const struct here *h) {
    return h->ending && !h->gone && !h->busy;
}

#endif
