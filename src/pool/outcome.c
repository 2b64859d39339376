/* Outcomes: how tasks have ended, and the bytes of their results. */
#include "pool/outcome.h"

#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "ipc/arena.h"
#include "msg/report.h"
#include "pool/internal.h"

/* Owner of bytes that do not fit into an outcome: they lie behind this struct or in a block of the
** site's memory, and are kept until the last outcome that shares them is freed. */
struct kept_bytes {
    atomic_size_t refs;
    struct pool *pool; /* of a block: the pool, which is held; NULL: no block */
    /* Names of the block for site_ops.release. */
    void *lane;
    uint64_t offset;
    struct carried carried; /* regions that the bytes name */
    char bytes[];
};

static void publish(struct outcome *o, enum outcome_state state, int code) {
    assert(!outcome_settled(o));
    o->code = (int16_t)code;
    atomic_store_explicit(&o->state, state, memory_order_release);
}

/* An owner with room for so many bytes behind it. NULL: no memory. */
static struct kept_bytes *new_kept(size_t room) {
    struct kept_bytes *kept = sys.malloc(sizeof *kept + room);
    if (kept) {
        kept->refs = 1;
        kept->pool = NULL;
        kept->carried = (struct carried){0};
    }
    return kept;
}

static void take_carried(struct kept_bytes *kept, struct carried *carried) {
    if (!carried)
        return;
    kept->carried = *carried;
    *carried = (struct carried){0};
}

static void set_far(struct outcome *o, struct kept_bytes *kept, const char *data, size_t length) {
    o->storage = STORE_KEPT;
    o->u.far.data = data;
    o->u.far.length = length;
    o->u.far.kept = kept;
}

HOT void tine__outcome_set_bytes(struct outcome *o, enum outcome_state state, int code,
                                 const char *bytes, size_t length, struct carried *carried) {
    if (length <= OUTCOME_INLINE) { /* too few to name a region */
        o->storage = STORE_INLINE;
        o->length = (uint16_t)length;
        memcpy(o->u.bytes, bytes, length);
    } else {
        struct kept_bytes *kept = new_kept(length);
        if (!kept) {
            tine__outcome_set_failure(o, TINE_ENOMEM, NULL);
            return;
        }
        take_carried(kept, carried);
        set_far(o, kept, memcpy(kept->bytes, bytes, length), length);
    }
    publish(o, state, code);
}

/* Let the site keep the block of the report's bytes. */
static void set_block(struct outcome *o, enum outcome_state state, int code, struct pool *p,
                      const struct report *r) {
    struct kept_bytes *kept = new_kept(0);
    if (!kept) {
        tine__outcome_set_failure(o, TINE_ENOMEM, NULL);
        return;
    }
    p->site->ops->keep(p->site, r);
    take_carried(kept, r->carried);
    kept->pool = tine__pool_ref(p);
    kept->lane = r->lane;
    kept->offset = r->offset;
    set_far(o, kept, r->bytes, r->length);
    publish(o, state, code);
}

HOT void tine__outcome_set_report(struct outcome *o, enum outcome_state state, int code,
                                  struct pool *p, const struct report *r) {
    if (r->large)
        set_block(o, state, code, p, r);
    else
        tine__outcome_set_bytes(o, state, code, r->bytes, r->length, r->carried);
}

void tine__outcome_set_failure(struct outcome *o, int code, struct failure *f) {
    o->length = 0;
    o->storage = f ? STORE_FAILURE : STORE_NONE;
    o->u.failure = tine__failure_ref(f);
    publish(o, OUTCOME_FAILED, code);
}

const char *tine__outcome_bytes(const struct outcome *o, size_t *length) {
    *length = 0;
    switch (o->storage) {
    case STORE_INLINE:
        *length = o->length;
        return o->u.bytes;
    case STORE_KEPT:
        *length = (size_t)o->u.far.length;
        return o->u.far.data;
    default:
        return NULL;
    }
}

const struct carried *tine__outcome_carried(const struct outcome *o) {
    return o->storage == STORE_KEPT ? &o->u.far.kept->carried : NULL;
}

struct failure *tine__outcome_failure(const struct outcome *o) {
    return o->storage == STORE_FAILURE ? o->u.failure : NULL;
}

/* `held`: the pool whose lock the caller holds, or NULL. */
static void unref(struct kept_bytes *kept, const struct pool *held) {
    struct pool *p = kept->pool;
    if (atomic_fetch_sub_explicit(&kept->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (kept->carried.list)
        tine__carried_drop(&kept->carried);
    if (p && !tine__pool_is_forked(p)) {
        if (p != held)
            pthread_mutex_lock(&p->lock);
        p->site->ops->release(p->site, kept->lane, kept->offset);
        if (p != held)
            pthread_mutex_unlock(&p->lock);
    }
    free(kept);
    tine__pool_unref(p);
}

static void free_outcome(struct outcome *o, const struct pool *held) {
    switch (o->storage) {
    case STORE_KEPT:
        unref(o->u.far.kept, held);
        break;
    case STORE_FAILURE:
        tine__failure_unref(o->u.failure);
        break;
    default:
        break;
    }
    o->storage = STORE_NONE;
    o->length = 0;
}

void tine__outcome_free(struct outcome *o) {
    free_outcome(o, NULL);
}

void tine__outcome_free_locked(struct pool *p, struct outcome *o) {
    free_outcome(o, p);
}

void tine__outcome_share(struct outcome *to, const struct outcome *from) {
    to->storage = from->storage;
    to->length = from->length;
    memcpy(&to->u, &from->u, sizeof to->u);
    if (from->storage == STORE_KEPT)
        atomic_fetch_add_explicit(&from->u.far.kept->refs, 1, memory_order_relaxed);
    else if (from->storage == STORE_FAILURE)
        tine__failure_ref(from->u.failure);
    publish(to, from->state, from->code);
}
