/* Inside of the site without processes. Its calls are touched under the pool's lock, but for what inner.h lets a thread that
** runs one do without.
**
**     here.c     running; descriptors; opening and closing
**     orders.c   what the scheduler orders, and asks about calls
**     reports.c  what it is told
*/
#ifndef TINE_SITE_HERE_INTERNAL_H
#define TINE_SITE_HERE_INTERNAL_H

#include "base/list.h"
#include "site/here/here.h"
#include "worker/inner/inner.h"

#define HERE_WORKER 1 /* the one there is, as the scheduler counts */
#define HERE_REFS (HERE_SLOTS + 2)

enum here_stage {
    STAGE_NONE,
    STAGE_WANTED,  /* it is to be started */
    STAGE_STARTED, /* REPORT_STARTED comes next */
    STAGE_JUDGED,  /* then what came of the start */
    STAGE_UP,      /* calls are run */
    STAGE_ENDED,   /* REPORT_EXITED comes next */
    STAGE_OVER     /* nothing is run any more */
};

struct here_call {
    struct list node;  /* in calls, or told */
    uint32_t reported; /* of its answers */
    bool begun;
    bool told; /* its first event that is in the queue was reported, and is to be taken */
    bool said; /* what it has said of its progress was reported */
    bool over; /* there will be no more of them */
    char bytes[CALL_INLINE];
    struct inner_call call; /* last member: it has a list of answers */
};

struct here {
    struct site base;
    struct shm directory; /* page 0 of the call heap */
    struct heap *heap, *reader;
    struct inner *inner;
    _Atomic uint32_t words[2]; /* of the bells */
    int bell;
    int manager; /* borrowed */

    enum here_stage stage;
    enum inner_start judgement; /* STAGE_JUDGED, */
    uint64_t judged_at;         /* since then */
    struct buf said;            /* with it */
    bool busy;                  /* a thread is at work */
    bool leaving;               /* the worker is to end when nothing is left */
    bool ending, gone;          /* REPORT_GONE is to be given; was given */
    bool lost;                  /* somebody has taken our descriptors */
    struct list calls;          /* to be run */
    struct list told;           /* run, or being run: in order */
    struct list withdrawn; /* the call that was withdrawn last: its bytes are being looked at */
    struct errand *errands, *last_errand; /* that are to be run still, linked by `next` */
    struct errand *errand;                /* that was run, and is to be reported */
    struct buf errand_said;               /* by that */
    struct here_call *by_ref[HERE_REFS];
};

static inline struct here *here_of(struct site *s) {
    return (struct here *)s;
}

/* orders.c */
void tine__here_give(struct site *s, const struct order *o, const struct site_call *call,
                     struct answer *a);
bool tine__here_taken(struct site *s, uint32_t ref);
/* Nobody wants the call, or any in the list, any more. */
void tine__here_forget(struct here *h, struct here_call *c);
void tine__here_forget_all(struct here *h, struct list *list);
/* The site is to be over as soon as nobody is at work in it: what runs, in another thread, is asked to end. */
void tine__here_end(struct here *h);

/* reports.c */
bool tine__here_news(struct site *s, bool pressed);
bool tine__here_report(struct site *s, struct report *r, bool listen);

/* Nobody is at work in it any more: then it may go. */
static inline bool here_is_over(const struct here *h) {
    return h->ending && !h->gone && !h->busy;
}

#endif
