/* Submitting: from an encoded call to an item in the scheduler's hands. */
#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "worker/store.h"

/* --- call buffers: private memory first, a block of the site's when that is too small --- */

static int call_buf_grow(struct buf *b, size_t need) {
    struct call_buf *cb = (struct call_buf *)b;
    struct pool *p = cb->pool;
    size_t size = need < 2 * b->cap ? 2 * b->cap : need, cap;
    uint64_t before = cb->block;
    pthread_mutex_lock(&p->lock);
    char *data = p->site->ops->grow(p->site, &cb->block, before ? b->len : 0, size, &cap);
    pthread_mutex_unlock(&p->lock);
    if (!data)
        return TINE_ENOMEM;
    if (!before)
        memcpy(data, b->data, b->len);
    b->data = data;
    b->cap = cap;
    return 0;
}

void tine__call_buf_init(struct call_buf *cb, struct pool *p, void *room, size_t room_size) {
    cb->b = (struct buf){.data = room, .cap = room_size, .grow = call_buf_grow};
    cb->pool = p;
    cb->block = 0;
    cb->room = room;
    cb->room_size = room_size;
}

void tine__call_buf_drop(struct call_buf *cb) {
    struct pool *p = cb->pool;
    if (cb->block && !tine__pool_is_forked(p)) {
        pthread_mutex_lock(&p->lock);
        p->site->ops->free(p->site, cb->block);
        pthread_mutex_unlock(&p->lock);
    }
    tine__call_buf_init(cb, p, cb->room, cb->room_size);
}

/* --- the store --- */

uint32_t tine__pool_put_code(void *pool, const struct codec_code *code) {
    struct pool *p = pool;
    pthread_mutex_lock(&p->lock);
    uint32_t id = tine__store_code(p->site->ops->heap(p->site), code);
    pthread_mutex_unlock(&p->lock);
    return id;
}

bool tine__pool_get_code(void *pool, uint32_t id, struct codec_code *out) {
    struct pool *p = pool;
    pthread_mutex_lock(&p->lock);
    bool found = tine__store_find_code(p->site->ops->heap(p->site), id, out);
    pthread_mutex_unlock(&p->lock);
    return found;
}

static unsigned origin_bucket(const struct codec_origin *o) {
    uint32_t h = 2166136261u ^ (uint32_t)o->line; /* FNV-1a */
    for (const char *p = o->name; *p; p++)
        h = (h ^ (unsigned char)*p) * 16777619u;
    return h % ORIGIN_BUCKETS;
}

static bool same_origin(const struct codec_origin *a, const struct codec_origin *b) {
    return a->line == b->line && strcmp(a->name, b->name) == 0 && strcmp(a->source, b->source) == 0;
}

static struct origin_node *add_origin(struct pool *p, struct origin_node **bucket,
                                      const struct codec_origin *origin) {
    struct origin_node *node = sys.malloc(sizeof *node);
    if (!node)
        return NULL;
    if (!tine__store_origin(p->site->ops->heap(p->site), origin, &node->origin)) {
        free(node);
        return NULL;
    }
    node->next = *bucket;
    *bucket = node;
    return node;
}

const struct codec_origin *tine__pool_put_origin(void *pool, const struct codec_origin *origin) {
    struct pool *p = pool;
    struct origin_node **bucket = &p->origins[origin_bucket(origin)];
    pthread_mutex_lock(&p->lock);
    struct origin_node *node = *bucket;
    while (node && !same_origin(&node->origin, origin))
        node = node->next;
    if (!node)
        node = add_origin(p, bucket, origin);
    pthread_mutex_unlock(&p->lock);
    return node ? &node->origin : NULL;
}

/* --- handing over --- */

static void prepare(struct pool *p, struct item *item) {
    list_init(&item->news);
    item->listed = item->released = false;
    item->first = 0;
    if (!item->task.limit)
        item->task.limit = p->task_limit;
    item->task.call.index = item->name.index;
    item->task.call.origin = item->name.origin ? item->name.origin->id : 0;
}

/* The item is in: count it. */
static void admit(struct pool *p, struct item *item) {
    item->name.id = item->task.call.id;
    item->inbox->open++;
    p->submitted += item->task.call.count;
    if (item->watched && item->inbox->watched++ == 0)
        tine__wakeup_send(&p->wakeup); /* the manager must listen from now on */
}

/* Let it run, or wait. Results taken in first may show that an idle worker is there already. */
static void set_off(struct pool *p) {
    uint64_t due = sched_due(&p->s);
    bool short_of_workers = p->s.open > p->s.live && p->s.present < p->s.o.workers;
    if (!short_of_workers)
        tine__drive(p);
    if (short_of_workers || p->s.waiting > 0)
        tine__take_in(p, false);
    if (sched_due(&p->s) < due)
        tine__wakeup_send(&p->wakeup); /* the manager's timer must run */
}

/* The bytes are still in the caller's buffer: keep what may be wanted of them. 0 or TINE_ENOMEM. */
static int keep_bytes(struct pool *p, struct item *item) {
    struct call_head *call = &item->task.call;
    if (!item->borrowed)
        return 0;
    char *copy = sys.malloc(call->length);
    if (copy)
        memcpy(copy, item->bytes, call->length);
    item->borrowed = false;
    item->bytes = copy;
    if (copy || item->task.state != TASK_WAITING)
        return 0; /* a chunk that is under way is not sent again then */
    tine__sched_withdraw(&p->s, &item->task);
    return TINE_ENOMEM;
}

static void unadmit(struct pool *p, struct item *item) {
    item->inbox->open--;
    item->inbox->watched -= item->watched;
    p->submitted -= item->task.call.count;
}

static int submit(struct pool *p, struct item *item, struct call_buf *cb) {
    prepare(p, item);
    item->bytes = cb->b.data;
    item->borrowed = cb->block == 0;
    int err = tine__sched_submit(&p->s, &item->task);
    if (err)
        return err;
    admit(p, item);
    set_off(p);
    err = keep_bytes(p, item);
    if (err)
        unadmit(p, item);
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
    pthread_mutex_lock(&p->lock);
    int err = submit(p, item, cb);
    pthread_mutex_unlock(&p->lock);
    if (!err)
        tine__call_buf_init(cb, p, cb->room, cb->room_size); /* its block is the item's now */
    return err;
}

int tine__pool_submit_failed(struct pool *p, struct item *item, int code, const char *text,
                             size_t length) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    item->task.call.offset = 0;
    item->bytes = NULL;
    item->borrowed = false;
    pthread_mutex_lock(&p->lock);
    prepare(p, item);
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
