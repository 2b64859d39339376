/* Submitting: from an encoded call to an item that the scheduler knows. */
#include <assert.h>
#include <string.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "msg/extra.h"
#include "pool/internal.h"
#include "store/store.h"

/* --- call buffers: private memory first, a block of the call heap when that is too small --- */

static int call_buf_grow(struct buf *b, size_t need) {
    struct call_buf *cb = (struct call_buf *)b;
    size_t size = need < 2 * b->cap ? 2 * b->cap : need;
    bool private = !cb->block;
    char *data;
    int err = tine__store_grow(cb->pool->store, &cb->block, b->len, size, &data, &b->cap);
    if (err)
        return err;
    if (private)
        memcpy(data, b->data, b->len);
    b->data = data;
    b->shared = true;
    return 0;
}

void tine__call_buf_init(struct call_buf *cb, struct pool *p, void *room, size_t room_size) {
    cb->b = (struct buf){.data = room, .cap = room_size, .grow = call_buf_grow};
    cb->pool = p;
    cb->refs = (struct store_refs){0};
    /* Regions do not reach other machines. */
    cb->b.carried = p && p->far ? NULL : &cb->refs.carried;
    cb->block = 0;
    cb->room = room;
    cb->room_size = room_size;
}

void tine__call_buf_drop(struct call_buf *cb) {
    struct pool *p = cb->pool;
    if (!tine__pool_is_forked(p)) {
        if (cb->block)
            tine__store_free(p->store, cb->block);
        tine__store_release(p->store, &cb->refs);
    }
    tine__call_buf_init(cb, p, cb->room, cb->room_size);
}

void tine__call_buf_abandon(struct call_buf *cb) {
    free(cb->refs.far);
    tine__carried_drop(&cb->refs.carried);
    tine__call_buf_init(cb, NULL, cb->room, cb->room_size);
}

/* --- handing over --- */

/* The item has taken over the block and the references. */
static void empty(struct call_buf *cb) {
    if (cb->block) {
        tine__call_buf_init(cb, cb->pool, cb->room, cb->room_size);
    } else {
        cb->b.len = 0;
        cb->refs = (struct store_refs){0};
    }
}

void tine__item_prepare(struct pool *p, struct item *item) {
    item->released = false;
    item->first = 0;
    item->task.set = item->settings ? item->settings : p->settings;
    item->task.call.index = item->name.index;
    item->task.call.callee = store_callee(&item->refs);
}

/* Count an item that the scheduler has accepted. */
static void admit(struct pool *p, struct item *item) {
    tine__settings_ref(item->settings);
    item->name.id = item->task.call.id;
    item->started = item->ended = 0;
    item->inbox->open++;
    p->submitted += item->task.call.count;
    p->calls += item->task.call.index == 0;
    if (p->trace)
        tine__tracing_changed(p, item->task.since);
    if (item->watched && item->inbox->watched++ == 0)
        tine__wakeup_send(&p->wakeup); /* the manager must listen from now on */
}

#define LOOKS 16 /* submits per look at a full site */

/* Is the item one of many that wait for room? The site was already asked to tell when there is
** room, and asking costs a fence each time. */
static bool is_one_of_many(struct pool *p) {
    return p->s.full && p->s.waiting > 1 && ++p->queued % LOOKS != 0;
}

/* Have the item run or wait. Results are taken in first if they may show that an idle worker is
** there. One of many waiting items only changes places with calls in the site's queue that rank
** lower: whoever takes up the last of these calls checks whether there is room. */
static void set_off(struct pool *p, const struct item *item) {
    bool many = is_one_of_many(p);
    if (many && !p->s.overtake) {
        if (!item->task.set->plain || p->s.policy.nlines > 1)
            tine__wake_manager(p); /* it may have a deadline, or its rank may change with time */
        return;
    }
    bool short_of_workers = sched_runnable(&p->s) > p->s.live && p->s.present < p->s.o.workers;
    bool ran = !short_of_workers && tine__drive(p);
    if (short_of_workers || (p->s.waiting > 0 && !(ran && many)))
        tine__take_in(p, false);
    else if (p->fresh) /* deadlines have passed, of this task or of others */
        tine__wake_waiters(p, false);
}

/* The bytes are still in the caller's buffer: keep a copy if they may be needed again. 0 or
** TINE_ENOMEM. */
static int keep_bytes(struct pool *p, struct item *item) {
    struct call_head *call = &item->task.call;
    if (!item->borrowed)
        return 0;
    item->borrowed = false;
    tine__item_copy_bytes(item, item->bytes, call->length);
    if (item->bytes || item->task.state == TASK_SENT)
        return 0; /* a chunk whose bytes could not be kept is not sent again */
    tine__sched_withdraw(&p->s, &item->task);
    return TINE_ENOMEM;
}

COLD static void unadmit(struct pool *p, struct item *item) {
    tine__settings_unref(item->settings);
    item->inbox->open--;
    item->inbox->watched -= item->watched;
    p->submitted -= item->task.call.count;
    p->calls -= item->task.call.index == 0;
}

/* If the call has a struct call_extra, fill in its number on this pool. Chunks have the number of
** their map. */
static void number(struct item *item, struct call_buf *cb) {
    uint32_t extra = settings_extra(item->task.set);
    if (item->task.far || !extra)
        return;
    item->task.call.label += extra;
    if (item->task.call.index == 0)
        memcpy(cb->b.data + offsetof(struct call_extra, serial), &item->serial,
               sizeof item->serial);
}

uint64_t tine__pool_count_map(struct pool *p) {
    if (tine__pool_is_forked(p))
        return 0;
    pthread_mutex_lock(&p->lock);
    uint64_t serial = ++p->calls;
    pthread_mutex_unlock(&p->lock);
    return serial;
}

COLD static void begin_needs(struct pool *p, struct item *item) {
    tine__needs_begin(p, item);
    tine__drive(p);
    tine__wake_waiters(p, false);
}

static int submit(struct pool *p, struct item *item, struct call_buf *cb) {
    tine__item_prepare(p, item);
    if (item->task.call.index == 0)
        item->serial = p->calls + 1;
    number(item, cb);
    item->bytes = cb->b.data;
    item->borrowed = cb->block == 0;
    uint64_t now = ticker_now(&p->ticker);
    int err = item->needs ? tine__sched_submit_held(&p->s, &item->task, now)
                          : tine__sched_submit(&p->s, &item->task, now);
    if (err == TINE_EAGAIN)
        item->inbox->refused = p->refused = true;
    if (err)
        return err;
    atomic_store_explicit(&p->moved, item->task.call.length, memory_order_relaxed);
    admit(p, item);
    set_off(p, item);
    err = keep_bytes(p, item);
    if (err)
        unadmit(p, item);
    else if (item->needs)
        begin_needs(p, item);
    return err;
}

int tine__pool_submit(struct pool *p, struct item *item, struct call_buf *cb, uint32_t label,
                      uint32_t function) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    struct call_head *call = &item->task.call;
    call->offset = cb->block;
    call->length = cb->b.len;
    call->label = label;
    call->function = function;
    item->refs = cb->refs;
    pthread_mutex_lock(&p->lock);
    int err = submit(p, item, cb);
    if (!err && p->site->ops->work)
        tine__work(p);
    pthread_mutex_unlock(&p->lock);
    if (!err)
        empty(cb);
    return err;
}

int tine__pool_submit_failed(struct pool *p, struct item *item, int code, const char *text,
                             size_t length) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    item->task.call.offset = 0;
    item->bytes = NULL;
    item->borrowed = false;
    item->refs = (struct store_refs){0};
    pthread_mutex_lock(&p->lock);
    tine__item_prepare(p, item);
    sched_time(&p->s, tine__now()); /* the time of the submit */
    int err = tine__sched_submit_done(&p->s, &item->task);
    if (!err) {
        admit(p, item);
        for (uint32_t k = 0; k < item->task.call.count; k++)
            tine__deliver_text(p, item, k, code, text, length);
        tine__wake_waiters(p, false);
    }
    pthread_mutex_unlock(&p->lock);
    return err;
}
