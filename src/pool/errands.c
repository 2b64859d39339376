/* The results of errands (errands.h). */
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/errands.h"
#include "pool/internal.h"

struct fault {
    struct list node;  /* in inbox->faults */
    struct item *item; /* from another machine, for whose pool the errand was run; or NULL */
    uint64_t number;
    struct outcome error;
};

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

/* Put the error into the inbox (NULL: closed). */
static void keep_fault(struct inbox *in, struct item *item, const struct report *r) {
    struct fault *f = in ? sys.calloc(1, sizeof *f) : NULL;
    if (!f)
        return;
    f->number = r->id;
    f->item = item;
    set_error(&f->error, r);
    list_push(&in->faults, &f->node);
    atomic_store(&in->has_faults, true);
    inbox_stir(in);
    inbox_freshen(in);
}

void tine__deliver_ran(struct pool *p, const struct report *r) {
    struct everywhere *e = r->length > 0 && !r->error ? find(p, r->id) : NULL;
    if (!e)
        return;
    if (tine__sched_is_awaited(&p->s, r->worker, r->id)) {
        set_error(&e->error, r);
        return;
    }
    keep_fault(e->inbox, NULL, r);
}

struct item *tine__fault_note(struct pool *p, const struct report *r) {
    const struct everywhere *e = p->far && r->length > 0 ? find(p, r->id) : NULL;
    struct task *t = p->far ? NULL : sched_sent(&p->s, r->ref);
    if (e)
        keep_fault(e->inbox, NULL, r);
    if (!t || !t->far || r->length == 0 || r->error)
        return NULL;
    keep_fault(item_of(t)->inbox, item_of(t), r);
    return item_of(t);
}

/* Set the outcome to an empty list of values. */
static void set_done(struct outcome *o) {
    char empty[SEGMENT_HEAD + 1];
    segment_set_head(empty, 1);
    empty[SEGMENT_HEAD] = (char)0x90; /* msgpack: an empty array */
    tine__outcome_set_bytes(o, OUTCOME_VALUES, 0, empty, sizeof empty, NULL);
}

struct item *tine__errand_done(struct pool *p, struct errand *errand) {
    struct everywhere *e = (struct everywhere *)errand;
    struct item *item = e->item;
    e->item = NULL;
    if (e->error.state != OUTCOME_NONE)
        tine__outcome_share(item->outcomes, &e->error);
    else if (errand->broken)
        tine__outcome_set_failure(item->outcomes, TINE_EBROKEN, p->reason);
    else
        set_done(item->outcomes);
    item->ended = tine__now();
    item->task.state = TASK_DONE;
    return item;
}

/* --- faults: errors in workers that nobody waits for --- */

static bool take(struct inbox *in, uint64_t *number, struct item **item, struct outcome *error) {
    struct list *node = list_pop(&in->faults);
    if (!node)
        return false;
    struct fault *f = LIST_ITEM(node, struct fault, node);
    *number = f->number;
    if (item)
        *item = f->item;
    *error = f->error;
    free(f);
    atomic_store(&in->has_faults, !list_empty(&in->faults));
    return true;
}

bool tine__inbox_next_fault(struct inbox *in, uint64_t *number, struct item **item,
                            struct outcome *error) {
    struct pool *p = in->pool;
    if (!p || !atomic_load_explicit(&in->has_faults, memory_order_acquire) ||
        tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool any = take(in, number, item, error);
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
    while (take(in, &number, NULL, &error))
        tine__outcome_free_locked(p, &error);
}

/* --- the end --- */

void tine__errands_free(struct pool *p) {
    struct list *node;
    while ((node = list_pop(&p->everywhere)) != NULL) {
        struct everywhere *e = LIST_ITEM(node, struct everywhere, node);
        tine__outcome_free_locked(p, &e->error);
        tine__store_release(p->store, &e->refs);
        free(e);
    }
}
