/* Submitting: from an encoded call to an item in the call queue. */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/segment.h"
#include "pool/internal.h"
#include "pool/outcome.h"

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
    return 0;
}

void tine__call_buf_init(struct call_buf *cb, struct pool *p, void *room, size_t room_size) {
    cb->b = (struct buf){.data = room, .cap = room_size, .grow = call_buf_grow};
    cb->pool = p;
    cb->refs = (struct store_refs){0};
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
    tine__call_buf_init(cb, NULL, cb->room, cb->room_size);
}

/* --- handing over --- */

static void free_block(struct pool *p, uint64_t block) {
    if (!tine__store_free(p->store, block) || p->tidy_at)
        return;
    p->tidy_at = tine__now() + HEAP_REST;
    tine__wakeup_send(&p->wakeup);
}

/* Free what the item holds of its encoded call. */
void tine__pool_free_payload(struct pool *p, struct item *item) {
    if (!item->call.data)
        return;
    if (item->call.offset)
        free_block(p, item->call.offset);
    else
        free(item->call.data);
    item->call.data = NULL;
    item->call.offset = 0;
}

/* Move private bytes that do not fit into a slot to a block of the call heap. */
static int move_to_heap(struct pool *p, struct payload *call, const char *bytes) {
    uint64_t offset = 0;
    size_t capacity;
    char *block;
    int err = tine__store_grow(p->store, &offset, 0, call->length, &block, &capacity);
    if (err)
        return err;
    memcpy(block, bytes, call->length);
    call->data = block;
    call->offset = offset;
    return 0;
}

/* Keep a private copy of the bytes. */
static int keep_bytes(struct payload *call, const char *bytes) {
    call->data = sys.malloc(call->length);
    if (!call->data)
        return TINE_ENOMEM;
    memcpy(call->data, bytes, call->length);
    return 0;
}

static bool fits_slot(const struct payload *call) {
    return !call->offset && call->length <= QUEUE_INLINE;
}

/* Put the item into the call queue; its bytes are at `bytes` when they fit a slot, else in the call heap.
** 0 or TINE_EAGAIN: no room. */
static int put(struct pool *p, struct item *item, const char *bytes) {
    if (p->nfree == 0)
        return TINE_EAGAIN;
    uint32_t ref = p->free_refs[p->nfree - 1];
    struct queue_slot slot;
    slot.id = item->name.id + item->first;
    slot.count = item->count - item->first;
    slot.ref = ref;
    slot.offset = item->call.offset;
    slot.length = item->call.length;
    slot.label = item->call.label;
    slot.function = item->call.function;
    slot.flags = item->limit ? SLOT_TIMED : 0;
    slot.spare = 0;
    slot.callee = store_callee(&item->refs);
    if (!slot.offset)
        memcpy(slot.bytes, bytes, slot.length);
    int err = p->backend->ops->put(p->backend, &slot, &item->seq);
    if (err)
        return err;
    p->nfree--;
    p->queued[ref] = item;
    item->ref = ref;
    item->state = ITEM_QUEUED;
    item->taken = false;
    return 0;
}

/* A pending item's turn. 0, TINE_EAGAIN, or TINE_ENOMEM. */
static int give(struct pool *p, struct item *item) {
    if (!item->call.offset && !fits_slot(&item->call)) {
        char *bytes = item->call.data;
        int err = move_to_heap(p, &item->call, bytes);
        if (err)
            return err;
        free(bytes);
    }
    int err = put(p, item, item->call.data);
    if (!err && item->count == 1 && !item->call.offset)
        tine__pool_free_payload(p, item); /* the slot has it; a chunk may have to be sent again */
    return err;
}

void tine__pool_refill(struct pool *p) {
    unsigned n = 0;
    while (!list_empty(&p->pending)) {
        struct item *item = LIST_ITEM(p->pending.next, struct item, node);
        list_remove(&item->node);
        int err = give(p, item);
        if (err == TINE_EAGAIN) { /* say that we want to know of room, and only then look again */
            p->backend->ops->want_low(p->backend);
            err = give(p, item);
        }
        if (err == TINE_EAGAIN) {
            list_push_front(&p->pending, &item->node);
            break;
        }
        if (err)
            tine__pool_settle_rest(p, item, item->first, err, NULL);
        else
            n++;
    }
    if (n > 0)
        p->backend->ops->wake(p->backend, n);
}

/* The lowest id that no worker has; 0: all taken. */
static unsigned free_worker_id(struct pool *p) {
    if (p->present < p->workers_max)
        for (unsigned id = 1; id <= p->workers_max; id++)
            if (p->workers[id].state == WORKER_NONE)
                return id;
    return 0;
}

static int start_worker(struct pool *p, unsigned id) {
    int err = p->backend->ops->start(p->backend, id);
    if (err)
        return err;
    p->workers[id] = (struct worker){.state = WORKER_STARTING};
    p->live++;
    p->present++;
    p->stats.workers_started++;
    return 0;
}

void tine__pool_start_on_demand(struct pool *p) {
    while (p->open_items > p->live && p->state <= POOL_CLOSING && !p->shut && !p->gone) {
        unsigned id = free_worker_id(p);
        if (!id)
            return;
        int err = start_worker(p, id);
        if (err == TINE_EAGAIN) {
            p->retry = true;
            tine__wakeup_send(&p->wakeup);
        } else if (err && p->present == 0) {
            /* nobody there to run anything, and nobody to be had */
            int error = errno;
            struct failure *f = tine__failure_new(TINE_EBROKEN);
            if (f) {
                f->error = err == TINE_ENOMEM ? ENOMEM : error;
                tine__failure_say(f, "the pool is broken: cannot start a worker: %s",
                                  strerror(f->error));
            }
            tine__pool_break(p, f);
        }
        if (err)
            return; /* those that are there go on; the next demand tries again */
    }
}

static int check_open(const struct pool *p) {
    switch (p->state) {
    case POOL_OPEN:
        return 0;
    case POOL_BROKEN:
        return TINE_EBROKEN;
    default:
        return TINE_ESHUTDOWN;
    }
}

/* What the pool knows of the item before it is in. */
static void prepare(const struct pool *p, struct item *item, const struct payload *call,
                    const struct store_refs *refs) {
    list_init(&item->node);
    list_init(&item->news);
    item->name.id = p->next_id;
    item->open = item->count;
    item->first = 0;
    item->listed = item->released = false;
    item->taken = false;
    item->state = ITEM_NEW;
    item->call = *call;
    item->refs = *refs;
    if (!item->limit)
        item->limit = p->task_limit;
}

/* The item is in: count it. */
static void admit(struct pool *p, struct item *item) {
    p->next_id += item->count;
    p->open_items++;
    if (item->watched && p->watched_items++ == 0)
        tine__wakeup_send(&p->wakeup); /* the manager must listen from now on */
    p->stats.submitted += item->count;
    if (item->limit && (p->timed_items++ == 0 || item->limit < p->least_limit)) {
        p->least_limit = item->limit;
        tine__wakeup_send(&p->wakeup); /* the manager's timer must run */
    }
}

/* Hand over or keep; the item's call describes what is in `cb`. */
static int place(struct pool *p, struct item *item, struct call_buf *cb) {
    struct payload *call = &item->call;
    bool room = list_empty(&p->pending);
    if (room && fits_slot(call) && item->count == 1)
        return put(p, item, cb->b.data) == 0 ? 0 : keep_bytes(call, cb->b.data);
    if (!call->offset) {
        int err =
            fits_slot(call) ? keep_bytes(call, cb->b.data) : move_to_heap(p, call, cb->b.data);
        if (err)
            return err;
    }
    return room ? (put(p, item, call->data), 0) : 0;
}

/* After an admitted item: let it run, or let it wait. */
static void set_off(struct pool *p, struct item *item) {
    if (item->state == ITEM_QUEUED) {
        p->backend->ops->wake(p->backend, 1);
    } else {
        item->state = ITEM_PENDING;
        list_push(&p->pending, &item->node);
    }
    /* results taken in now make room, and may show that an idle worker is there already */
    bool starve = p->open_items > p->live && p->present < p->workers_max;
    if (starve || item->state == ITEM_PENDING)
        tine__pool_collect(p);
}

int tine__pool_submit(struct pool *p, struct item *item, struct call_buf *cb, uint32_t label,
                      uint32_t function) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    const struct payload call = {.data = cb->block ? cb->b.data : NULL,
                                 .offset = cb->block,
                                 .length = cb->b.len,
                                 .label = label,
                                 .function = function};
    pthread_mutex_lock(&p->lock);
    int err = check_open(p);
    if (!err && p->max_pending && p->open_items >= p->max_pending)
        err = TINE_EAGAIN;
    if (!err) {
        prepare(p, item, &call, &cb->refs);
        err = place(p, item, cb);
    }
    if (!err) {
        admit(p, item);
        set_off(p, item);
        tine__call_buf_init(cb, p, cb->room,
                            cb->room_size); /* its block and refs are the item's now */
    }
    pthread_mutex_unlock(&p->lock);
    return err;
}

int tine__pool_submit_failed(struct pool *p, struct item *item, int code, const char *text,
                             size_t length) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    pthread_mutex_lock(&p->lock);
    int err = check_open(p);
    if (!err) {
        prepare(p, item, &(struct payload){0}, &(struct store_refs){0});
        admit(p, item);
        for (uint32_t k = 0; k < item->count; k++)
            tine__pool_settle_bytes(p, item, k, OUTCOME_FAILED, code, text, length);
        tine__pool_notify(p);
    }
    pthread_mutex_unlock(&p->lock);
    return err;
}

/* --- a chunk whose worker has gone --- */

/* Where the argument segment of task `k` starts in the item's bytes, which begin with task `first`. */
static size_t argument_start(const struct item *item, uint32_t k) {
    const struct payload *call = &item->call;
    size_t at = call->label + call->function;
    for (uint32_t i = item->first; i < k && at < call->length; i++) {
        size_t n = segment_length(call->data + at, call->length - at);
        at = n ? at + n : call->length;
    }
    return at;
}

/* The item's bytes without the tasks before `k`. 0 or TINE_ENOMEM. */
static int cut_payload(struct pool *p, struct item *item, uint32_t k) {
    struct payload *call = &item->call;
    size_t head = call->label + call->function, from = argument_start(item, k);
    struct payload rest = {
        .length = head + call->length - from, .label = call->label, .function = call->function};
    rest.data = sys.malloc(rest.length);
    if (!rest.data)
        return TINE_ENOMEM;
    memcpy(rest.data, call->data, head);
    memcpy(rest.data + head, call->data + from, call->length - from);
    tine__pool_free_payload(p, item);
    item->call = rest;
    item->first = k;
    return 0;
}

void tine__pool_requeue(struct pool *p, struct item *item, uint32_t k) {
    assert(item->state == ITEM_QUEUED && item->open > 0 && k < item->count);
    tine__pool_unqueue(p, item);
    item->state = ITEM_PENDING;
    int err = k > item->first ? cut_payload(p, item, k) : 0;
    if (err)
        tine__pool_settle_rest(p, item, k, err, NULL);
    else
        list_push_front(&p->pending, &item->node);
}
