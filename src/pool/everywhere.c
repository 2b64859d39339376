/* Submitting calls that each worker runs once (errands.h). */
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/errands.h"
#include "pool/internal.h"

/* Move the bytes in `cb`, which begin with the head, into a block of the call heap, where they
** stay. 0 or TINE_ENOMEM. */
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

/* Make an errand of the call in `cb`. 0 or TINE_ENOMEM. */
static int make(struct pool *p, struct call_buf *cb, uint32_t function, struct everywhere **out) {
    struct everywhere *e = *out = sys.calloc(1, sizeof *e);
    int err = e ? settle_down(p, e, cb) : TINE_ENOMEM;
    if (err) {
        free(e);
        return err;
    }
    e->errand.head->function = function;
    e->refs = cb->refs;
    e->errand.refs = &e->refs;
    return 0;
}

static void admit(struct pool *p, struct item *item, uint64_t number) {
    item->refs = (struct store_refs){0};
    item->bytes = NULL;
    item->borrowed = false;
    item->settings = NULL;
    item->task = (struct task){.call.count = 1, .next = 1, .upto = 1};
    task_make(&item->task);
    tine__item_prepare(p, item);
    item->name.id = number;
    item->task.since = tine__now();
    item->started = item->ended = 0;
    item->inbox->open++;
    if (item->watched && item->inbox->watched++ == 0)
        tine__wakeup_send(&p->wakeup); /* the manager must listen from now on */
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
    struct everywhere *e;
    int err = make(p, cb, function, &e);
    if (err)
        return err;
    e->item = item;
    e->inbox = item->inbox;
    pthread_mutex_lock(&p->lock);
    err = ask(p, e, item);
    pthread_mutex_unlock(&p->lock);
    if (err)
        free(e);
    else
        /* The pool has taken over block and references. */
        tine__call_buf_init(cb, p, cb->room, cb->room_size);
    return err;
}

int tine__pool_initialize(struct pool *p, struct call_buf *cb, uint32_t function) {
    struct everywhere *e;
    int err = make(p, cb, function, &e);
    if (err)
        return err;
    const struct order o = {.kind = ORDER_SPREAD, .errand = &e->errand};
    struct answer a;
    pthread_mutex_lock(&p->lock);
    list_push(&p->everywhere, &e->node);
    p->site->ops->give(p->site, &o, NULL, &a);
    pthread_mutex_unlock(&p->lock);
    tine__call_buf_init(cb, p, cb->room, cb->room_size);
    return 0;
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
    return open ? 0 : why_code(p->s.why);
}
