#include "site/here.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/list.h"
#include "base/sys.h"
#include "sched/errand.h"
#include "worker/inner.h"

#define HEAP_PAGE 4096u
#define WORKER 1 /* the one there is, as the scheduler counts */
#define NREFS (HERE_SLOTS + 2)

enum stage {
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

    enum stage stage;
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
    struct here_call *by_ref[NREFS];
};

static struct here *here_of(struct site *s) {
    return (struct here *)s;
}

/* --- calls --- */

static void free_call(struct here *h, struct here_call *c) {
    list_remove(&c->node);
    if (h->by_ref[c->call.head.ref] == c)
        h->by_ref[c->call.head.ref] = NULL;
    for (uint32_t k = 0; k < c->call.answered; k++) {
        tine__buf_free(&c->call.answers[k].bytes);
        tine__carried_drop(&c->call.answers[k].carried);
    }
    tine__inner_events_close(&c->call);
    free(c);
}

static void free_calls(struct here *h, struct list *list) {
    while (!list_empty(list))
        free_call(h, LIST_ITEM(list->next, struct here_call, node));
}

static int run(struct here *h, const struct site_call *call) {
    assert(call); /* an order to run has one */
    struct here_call *c = sys.calloc(1, sizeof *c + call->head->count * sizeof c->call.answers[0]);
    if (!c || tine__inner_events_open(&c->call)) {
        free(c);
        return TINE_ENOMEM;
    }
    c->call.head = *call->head;
    c->call.bytes = call->bytes; /* in the call heap it stays until the task has ended */
    c->call.upto = call->head->count;
    if (!call->head->offset) {
        memcpy(c->bytes, call->bytes, call->head->length);
        c->call.bytes = c->bytes;
    }
    list_push(&h->calls, &c->node);
    h->by_ref[call->head->ref] = c;
    return 0;
}

/* Nobody has begun it, and nobody will. */
static bool withdraw(struct here *h, struct here_call *c, struct answer *a) {
    if (c->begun)
        return false;
    a->where = AT_NOBODY;
    a->id = c->call.head.id;
    a->bytes = c->call.head.offset ? NULL : c->bytes;
    a->length = c->call.head.length;
    h->by_ref[c->call.head.ref] = NULL;
    list_remove(&c->node);
    free_calls(h, &h->withdrawn);
    list_push(&h->withdrawn, &c->node);
    return true;
}

/* What of it has not begun is reported as left. */
static void recall(struct here *h, struct here_call *c, struct answer *a) {
    a->where = AT_PAST;
    if (c && !withdraw(h, c, a))
        c->call.upto = c->call.answered + 1;
}

static void stop(struct here *h, struct here_call *c, struct answer *a) {
    a->where = AT_PAST;
    if (c)
        withdraw(h, c, a);
}

/* It ends by itself, at its next Lua instructions, if it listens. */
static void ask(struct here *h, struct here_call *c, const struct order *o, struct answer *a) {
    stop(h, c, a);
    if (a->where != AT_PAST || !c)
        return;
    if (tine__inner_ask(&c->call, (uint32_t)(o->id - c->call.head.id), o->timed)) {
        a->where = AT_WORKER;
        a->worker = WORKER;
    }
}

/* What runs, in another thread, is to end; nothing of it begins any more. */
static void ask_all(struct here *h) {
    for (struct list *n = h->told.next; n != &h->told; n = n->next) {
        struct here_call *c = LIST_ITEM(n, struct here_call, node);
        c->call.upto = 0; /* first: who begins one says that it runs before he looks at this */
        uint64_t word = c->call.running;
        if (word)
            (void)tine__inner_ask(&c->call, (uint32_t)(word >> 8) - 1, false);
    }
}

/* The site is to be over as soon as nobody is at work in it. */
static void end(struct here *h) {
    if (h->busy)
        ask_all(h);
    h->ending = true;
}

static void look(const struct here_call *c, struct answer *a) {
    if (c && !c->begun)
        return; /* AT_SITE */
    a->since = c ? c->call.since : 0;
    a->where = a->since ? AT_WORKER : AT_PAST;
    a->id = c ? c->call.head.id + c->call.answered : 0;
}

static void spread(struct here *h, struct errand *e) {
    e->next = NULL;
    if (h->errands)
        h->last_errand->next = e;
    else
        h->errands = e;
    h->last_errand = e;
}

static void here_give(struct site *s, const struct order *o, const struct site_call *call,
                      struct answer *a) {
    struct here *h = here_of(s);
    struct here_call *c = call && o->kind != ORDER_RUN ? h->by_ref[call->head->ref] : NULL;
    *a = (struct answer){.where = AT_SITE};
    switch (o->kind) {
    case ORDER_RUN:
        a->err = run(h, call);
        break;
    case ORDER_RECALL:
        recall(h, c, a);
        break;
    case ORDER_ASK:
        ask(h, c, o, a);
        break;
    case ORDER_STOP:
    case ORDER_WITHDRAW:
        stop(h, c, a);
        break;
    case ORDER_LOOK:
        look(c, a);
        break;
    case ORDER_START:
        h->stage = STAGE_WANTED;
        break;
    case ORDER_SPREAD:
        spread(h, o->errand);
        break;
    case ORDER_KILL:
        ask_all(h);
        h->leaving = true;
        break;
    case ORDER_DISMISS:
    case ORDER_FINISH:
        h->leaving = true;
        break;
    case ORDER_END:
        end(h);
        break;
    case ORDER_NONE:
        break;
    }
}

static bool here_taken(struct site *s, uint32_t ref) {
    const struct here *h = here_of(s);
    return h->by_ref[ref] && h->by_ref[ref]->begun;
}

/* While it runs nobody could look but itself. */
static bool here_progress(struct site *s, uint32_t ref, uint64_t id, struct progress *out) {
    (void)s;
    (void)ref;
    (void)id;
    (void)out;
    return false;
}

/* Its worker is none that is shown. */
static void here_look(struct site *s, unsigned worker, struct site_look *out) {
    (void)worker;
    *out = (struct site_look){.busy = here_of(s)->busy};
}

/* --- work --- */

/* One is reported before the next is run. */
static bool has_errand(const struct here *h) {
    return h->errands && !h->errand;
}

static void work_errand(struct here *h, pthread_mutex_t *lock) {
    struct errand *e = h->errands;
    const struct errand_call call = errand_call_of(e->head, e->place.length);
    h->errand_said.len = 0;
    pthread_mutex_unlock(lock);
    tine__inner_errand(h->inner, &call, &h->errand_said);
    pthread_mutex_lock(lock);
    h->errands = e->next;
    h->errand = e;
}

static bool here_has_work(struct site *s) {
    const struct here *h = here_of(s);
    if (h->busy || h->ending)
        return false;
    return h->stage == STAGE_WANTED ||
           (h->stage == STAGE_UP && (h->leaving || has_errand(h) || !list_empty(&h->calls)));
}

static void work_start(struct here *h, pthread_mutex_t *lock) {
    pthread_mutex_unlock(lock);
    h->judgement = tine__inner_start(h->inner, &h->said);
    h->judged_at = tine__now();
    pthread_mutex_lock(lock);
    h->stage = h->judgement == INNER_NO_MEMORY ? STAGE_JUDGED : STAGE_STARTED;
}

static void work_call(struct here *h, pthread_mutex_t *lock) {
    struct here_call *c = LIST_ITEM(h->calls.next, struct here_call, node);
    list_remove(&c->node);
    list_push(&h->told, &c->node);
    c->begun = true;
    pthread_mutex_unlock(lock);
    tine__inner_run(h->inner, &c->call);
    pthread_mutex_lock(lock);
    c->over = true;
}

static void work_end(struct here *h, pthread_mutex_t *lock) {
    pthread_mutex_unlock(lock);
    tine__inner_end(h->inner);
    pthread_mutex_lock(lock);
    h->stage = STAGE_ENDED;
}

static bool here_work(struct site *s, pthread_mutex_t *lock) {
    struct here *h = here_of(s);
    if (!here_has_work(s))
        return false;
    h->busy = true;
    if (h->stage == STAGE_WANTED)
        work_start(h, lock);
    else if (has_errand(h))
        work_errand(h, lock);
    else if (!list_empty(&h->calls))
        work_call(h, lock);
    else
        work_end(h, lock);
    h->busy = false;
    if (h->ending)
        tine__fd_ring(h->manager); /* that was waited for */
    return true;
}

/* Nobody is at work in it any more: then it may go. */
static bool is_over(const struct here *h) {
    return h->ending && !h->gone && !h->busy;
}

/* A thread that waits may do what there is to do; that it is over the manager is to hear. */
static void here_flush(struct site *s, uint64_t now) {
    (void)now;
    struct here *h = here_of(s);
    if (is_over(h))
        tine__fd_ring(h->manager);
    struct bell waiter = {&h->words[0], h->bell};
    if (here_has_work(s))
        tine__bell_ring_both(&waiter, &waiter, BELL_RESULT);
}

static bool here_want_room(struct site *s, unsigned level) {
    (void)s;
    (void)level;
    return true;
}

/* --- reports --- */

static bool has_answer(struct here_call *c) {
    return c->reported < c->call.answered || c->over || tine__inner_event(&c->call);
}

static bool here_news(struct site *s, bool pressed) {
    const struct here *h = here_of(s);
    (void)pressed;
    return is_over(h) || h->errand || h->stage == STAGE_STARTED || h->stage == STAGE_JUDGED ||
           h->stage == STAGE_ENDED ||
           (!list_empty(&h->told) && has_answer(LIST_ITEM(h->told.next, struct here_call, node)));
}

/* What came of the start. */
static void judge(struct here *h, struct report *r) {
    static const enum report_kind kinds[] = {[INNER_READY] = REPORT_READY,
                                             [INNER_NO_MEMORY] = REPORT_NOT_STARTED,
                                             [INNER_NO_PRELOAD] = REPORT_FAILED,
                                             [INNER_NO_INITIALIZER] = REPORT_INITIALIZER};
    r->kind = kinds[h->judgement];
    r->error = h->judgement == INNER_NO_MEMORY ? ENOMEM : 0;
    r->ended = h->judged_at;
    r->bytes = h->said.data;
    r->length = h->said.len;
    h->stage = h->judgement == INNER_READY ? STAGE_UP : STAGE_OVER;
}

static void describe(struct here_call *c, struct report *r) {
    static const uint8_t kinds[RECORD_KINDS] = {[RECORD_VALUES] = REPORT_VALUES,
                                                [RECORD_ERROR] = REPORT_ERROR,
                                                [RECORD_REFUSED] = REPORT_REFUSED,
                                                [RECORD_MEMORY] = REPORT_MEMORY,
                                                [RECORD_ENDED] = REPORT_ENDED};
    struct inner_answer *answer = &c->call.answers[c->reported];
    r->kind = kinds[answer->kind];
    r->bytes = answer->bytes.data;
    r->length = answer->bytes.len;
    r->started = answer->started;
    r->ended = answer->ended;
    r->carried = &answer->carried;
    r->id = c->call.head.id + c->reported++;
}

/* Of the task whose answer comes next: all that it has emitted before that. */
static bool tell_event(struct here_call *c, struct report *r) {
    if (c->told)
        tine__inner_take_event(&c->call);
    struct inner_event *e = tine__inner_event(&c->call);
    c->told = e && e->k == c->reported;
    if (!c->told)
        return false;
    r->kind = REPORT_EVENT;
    r->id = c->call.head.id + e->k;
    r->bytes = e->bytes.data;
    r->length = e->bytes.len;
    r->carried = &e->carried;
    return true;
}

/* Of the oldest call that was begun. */
static bool tell_call(struct here *h, struct report *r) {
    if (list_empty(&h->told))
        return false;
    struct here_call *c = LIST_ITEM(h->told.next, struct here_call, node);
    r->ref = c->call.head.ref;
    if (tell_event(c, r))
        return true;
    if (c->reported < c->call.answered && c->call.said.id && !c->said) {
        c->said = true;
        r->kind = REPORT_PROGRESS;
        r->id = c->call.said.id;
        r->bytes = (const char *)&c->call.said;
        r->length = progress_size(&c->call.said);
        return true;
    }
    if (c->reported < c->call.answered) {
        describe(c, r);
        return true;
    }
    if (!c->over)
        return false;
    if (c->reported < c->call.head.count) {
        r->kind = REPORT_STOPPED;
        r->id = c->call.head.id + c->reported;
    }
    free_call(h, c);
    return r->kind != REPORT_NONE || tell_call(h, r);
}

static bool here_report(struct site *s, struct report *r, bool listen) {
    struct here *h = here_of(s);
    (void)listen;
    *r = (struct report){.worker = WORKER, .pid = getpid()};
    if (h->stage == STAGE_STARTED) {
        r->kind = REPORT_STARTED;
        h->stage = STAGE_JUDGED;
    } else if (h->stage == STAGE_JUDGED) {
        judge(h, r);
    } else if (h->errand) {
        r->kind = REPORT_RAN;
        r->id = h->errand->number;
        r->bytes = h->errand_said.data;
        r->length = h->errand_said.len;
        h->errand = NULL;
    } else if (!tell_call(h, r) && h->stage == STAGE_ENDED) {
        r->kind = REPORT_EXITED;
        h->stage = STAGE_OVER;
    } else if (r->kind == REPORT_NONE && is_over(h)) {
        h->gone = true;
        *r = (struct report){.kind = REPORT_GONE, .error = h->lost ? EBADF : 0};
    }
    return r->kind != REPORT_NONE;
}

/* --- descriptors --- */

static bool here_intact(struct site *s) {
    struct here *h = here_of(s);
    if (!h->gone && !h->lost && !(tine__fd_ours(h->bell) && tine__fd_ours(h->manager))) {
        h->lost = true;
        end(h);
    }
    return !h->lost;
}

static unsigned here_poll(struct site *s, struct pollfd fds[SITE_FDS]) {
    (void)s;
    (void)fds;
    return 0;
}

static void here_polled(struct site *s, const struct pollfd *fds, unsigned n) {
    (void)s;
    (void)fds;
    (void)n;
}

static struct heap *here_heap(struct site *s) {
    return here_of(s)->heap;
}

/* --- open and close --- */

static void here_retire(struct site *s) {
    struct here *h = here_of(s);
    if (h->reader)
        tine__heap_retire(h->reader);
    tine__close(&h->bell);
    tine__close(&h->directory.fd);
}

static void here_close(struct site *s) {
    struct here *h = here_of(s);
    here_retire(s);
    tine__inner_free(h->inner);
    free_calls(h, &h->calls);
    free_calls(h, &h->told);
    free_calls(h, &h->withdrawn);
    tine__buf_free(&h->said);
    tine__buf_free(&h->errand_said);
    tine__heap_destroy(h->reader);
    tine__heap_destroy(h->heap);
    tine__shm_close(&h->directory);
    free(h);
}

static const struct site_ops here_ops = {
    .give = here_give,
    .flush = here_flush,
    .want_room = here_want_room,
    .taken = here_taken,
    .progress = here_progress,
    .look = here_look,
    .news = here_news,
    .report = here_report,
    .has_work = here_has_work,
    .work = here_work,
    .poll = here_poll,
    .polled = here_polled,
    .intact = here_intact,
    .heap = here_heap,
    .retire = here_retire,
    .close = here_close,
};

static int open_parts(struct here *h, const struct boot *boot, const struct settings *defaults,
                      const struct inner_chore *timers) {
    int err = tine__shm_create(&h->directory, "tine-heap", HEAP_PAGE);
    struct heap_directory *directory = (struct heap_directory *)h->directory.base;
    if (!err)
        err = tine__heap_create(&h->heap, directory, h->directory.fd, HEAP_PAGE);
    if (!err)
        err = tine__heap_attach(&h->reader, directory, h->directory.fd, false);
    if (!err && (h->bell = tine__fd_event()) == -1)
        err = TINE_ESYSTEM;
    return err ? err : tine__inner_new(&h->inner, boot, h->reader, defaults, timers);
}

int tine__here_open(struct site **out, const struct boot *boot, struct wakeup *manager,
                    struct site_bells *bells, const struct settings *defaults,
                    const struct inner_chore *timers) {
    *out = NULL;
    struct here *h = sys.calloc(1, sizeof *h);
    if (!h)
        return TINE_ENOMEM;
    h->base.ops = &here_ops;
    h->directory = SHM_CLOSED;
    h->bell = -1;
    h->manager = manager->fd;
    list_init(&h->calls);
    list_init(&h->told);
    list_init(&h->withdrawn);
    tine__buf_init(&h->said);
    tine__buf_init(&h->errand_said);
    int err = open_parts(h, boot, defaults, timers);
    if (err) {
        int saved = errno;
        here_close(&h->base);
        errno = saved;
        return err;
    }
    bells->waiter = (struct bell){&h->words[0], h->bell};
    bells->manager = (struct bell){&h->words[1], manager->fd};
    *out = &h->base;
    return 0;
}
