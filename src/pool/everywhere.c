/* Calls that each worker runs once: kept as long as the pool (pool.h). */
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/internal.h"

struct everywhere {
    struct errand errand; /* first member */
    struct list node;     /* in pool->everywhere */
    struct item *item;    /* whose owner waits for it; NULL: that has ended */
    struct inbox *inbox;  /* of the owner; NULL: closed */
    struct store_refs refs;
    struct outcome error; /* the first of a worker that is waited for */
};

struct fault {
    struct list node; /* in inbox->faults */
    uint64_t number;
    struct outcome error;
};

/* --- asking for it --- */

/* The bytes in `cb`, which begin with the head, are to stay: in a block. 0 or TINE_ENOMEM. */
static int settle_down(struct pool *p, struct everywhere *e, struct call_buf *cb) {
    char *data = cb->b.data;
    size_t cap;
    if (!cb->block) {
        int err = tine__store_grow(p->store, &cb->block, 0, cb->b.len, &data, &cap);
        if (err)
            return TINE_ENOMEM;
        memcpy(data, cb->b.data, cb->b.len);
    }
    e->errand.place = (struct errand_place){cb->block, cb->b.len};
    e->errand.head = (struct errand_head *)data;
    return 0;
}

static void admit(struct pool *p, struct item *item, uint64_t number) {
    item->refs = (struct store_refs){0};
    item->bytes = NULL;
    item->borrowed = false;
    item->settings = NULL;
    item->task = (struct task){.call.count = 1, .next = 1, .upto = 1};
    tine__item_prepare(p, item);
    item->name.id = number;
    item->times = (struct task_times){.submitted = tine__now()};
    item->inbox->open++;
}

static int ask(struct pool *p, struct everywhere *e, struct item *item) {
    int err = tine__sched_everywhere(&p->s, &e->errand);
    if (err)
        return err;
    admit(p, item, e->errand.number);
    list_push(&p->everywhere, &e->node);
    tine__drive(p);
    tine__wake_waiters(p, false);
    tine__work(p);
    return 0;
}

int tine__pool_everywhere(struct pool *p, struct item *item, struct call_buf *cb,
                          uint32_t function) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    if (p->far)
        return TINE_EINVALID;
    struct everywhere *e = sys.calloc(1, sizeof *e);
    int err = e ? settle_down(p, e, cb) : TINE_ENOMEM;
    if (err) {
        free(e);
        return err;
    }
    e->errand.head->function = function;
    e->item = item;
    e->inbox = item->inbox;
    e->refs = cb->refs;
    pthread_mutex_lock(&p->lock);
    err = ask(p, e, item);
    pthread_mutex_unlock(&p->lock);
    if (err)
        free(e);
    else
        tine__call_buf_init(cb, p, cb->room, cb->room_size); /* its block and refs are ours now */
    return err;
}

int tine__pool_everywhere_failed(struct pool *p, struct item *item, int code, const char *text,
                                 size_t length) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    pthread_mutex_lock(&p->lock);
    bool open = p->s.life == LIFE_OPEN;
    if (open) {
        admit(p, item, 0);
        tine__outcome_set_bytes(item->outcomes, OUTCOME_FAILED, code, text, length, NULL);
        item->task.state = TASK_DONE;
        tine__item_ended(p, item);
        tine__wake_waiters(p, false);
    }
    pthread_mutex_unlock(&p->lock);
    return open ? 0 : why_is_broken(p->s.why) ? TINE_EBROKEN : TINE_ESHUTDOWN;
}

/* --- what comes of it --- */

static struct everywhere *find(struct pool *p, uint64_t number) {
    for (struct list *n = p->everywhere.prev; n != &p->everywhere; n = n->prev) {
        struct everywhere *e = LIST_ITEM(n, struct everywhere, node);
        if (e->errand.number == number)
            return e;
    }
    return NULL;
}

static void set_error(struct outcome *o, const struct report *r) {
    if (o->state == OUTCOME_NONE)
        tine__outcome_set_bytes(o, OUTCOME_ERROR, TINE_ETASK, r->bytes, r->length, r->carried);
}

void tine__deliver_ran(struct pool *p, const struct report *r) {
    struct everywhere *e = r->length > 0 && !r->error ? find(p, r->id) : NULL;
    if (!e)
        return;
    if (tine__sched_is_awaited(&p->s, r->worker, r->id)) {
        set_error(&e->error, r);
        return;
    }
    struct fault *f = e->inbox ? sys.calloc(1, sizeof *f) : NULL;
    if (!f)
        return;
    f->number = r->id;
    set_error(&f->error, r);
    list_push(&e->inbox->faults, &f->node);
    atomic_store(&e->inbox->has_faults, true);
    inbox_freshen(e->inbox);
}

/* No values. */
static void set_done(struct outcome *o) {
    char empty[SEGMENT_HEAD + 1];
    segment_set_head(empty, 1);
    empty[SEGMENT_HEAD] = (char)0x90; /* msgpack: an array of none */
    tine__outcome_set_bytes(o, OUTCOME_VALUES, 0, empty, sizeof empty, NULL);
}

void tine__deliver_errand(struct pool *p, struct errand *errand) {
    struct everywhere *e = (struct everywhere *)errand;
    struct item *item = e->item;
    if (!item)
        return;
    e->item = NULL;
    if (e->error.state != OUTCOME_NONE)
        tine__outcome_share(item->outcomes, &e->error);
    else if (errand->broken)
        tine__outcome_set_failure(item->outcomes, TINE_EBROKEN, p->reason);
    else
        set_done(item->outcomes);
    item->times.ended = tine__now();
    item->task.state = TASK_DONE;
    tine__item_ended(p, item);
}

/* --- faults: errors in workers that nobody waits for --- */

static bool take(struct inbox *in, uint64_t *number, struct outcome *error) {
    struct list *node = list_pop(&in->faults);
    if (!node)
        return false;
    struct fault *f = LIST_ITEM(node, struct fault, node);
    *number = f->number;
    *error = f->error;
    free(f);
    atomic_store(&in->has_faults, !list_empty(&in->faults));
    return true;
}

bool tine__inbox_next_fault(struct inbox *in, uint64_t *number, struct outcome *error) {
    struct pool *p = in->pool;
    if (!p || !atomic_load_explicit(&in->has_faults, memory_order_acquire) ||
        tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool any = take(in, number, error);
    pthread_mutex_unlock(&p->lock);
    return any;
}

void tine__faults_forget(struct pool *p, struct inbox *in) {
    struct outcome error;
    uint64_t number;
    for (struct list *n = p->everywhere.next; n != &p->everywhere; n = n->next) {
        struct everywhere *e = LIST_ITEM(n, struct everywhere, node);
        if (e->inbox == in)
            e->inbox = NULL;
    }
    while (take(in, &number, &error))
        tine__outcome_free_locked(p, &error);
}

/* --- the end --- */

void tine__everywhere_free(struct pool *p) {
    struct list *node;
    while ((node = list_pop(&p->everywhere)) != NULL) {
        struct everywhere *e = LIST_ITEM(node, struct everywhere, node);
        tine__outcome_free(&e->error);
        tine__store_release(p->store, &e->refs);
        free(e);
    }
}
