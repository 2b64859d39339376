/* Outcomes: where the bytes of a result are kept until somebody asks for them. */
#include "pool/outcome.h"

#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "msg/report.h"
#include "pool/internal.h"

/* A block of the site's memory, kept until the outcome is freed. It holds its pool. */
struct kept_block {
    struct pool *pool;
    void *lane; /* the site's names for it */
    uint64_t offset;
};

static void publish(struct outcome *o, enum outcome_state state, int code) {
    assert(!outcome_settled(o));
    o->code = (int16_t)code;
    atomic_store_explicit(&o->state, state, memory_order_release);
}

void tine__outcome_set_bytes(struct outcome *o, enum outcome_state state, int code,
                             const char *bytes, size_t length) {
    if (length <= OUTCOME_INLINE) {
        o->storage = STORE_INLINE;
        o->length = (uint16_t)length;
        memcpy(o->u.bytes, bytes, length);
    } else {
        char *copy = sys.malloc(length);
        if (!copy) {
            tine__outcome_set_failure(o, TINE_ENOMEM, NULL);
            return;
        }
        o->storage = STORE_MALLOC;
        o->u.far.data = memcpy(copy, bytes, length);
        o->u.far.length = length;
        o->u.far.block = NULL;
    }
    publish(o, state, code);
}

void tine__outcome_set_block(struct outcome *o, enum outcome_state state, int code, struct pool *p,
                             const struct report *r) {
    struct kept_block *block = sys.malloc(sizeof *block);
    if (!block) {
        tine__outcome_set_failure(o, TINE_ENOMEM, NULL);
        return;
    }
    p->site->ops->keep(p->site, r);
    *block = (struct kept_block){tine__pool_ref(p), r->lane, r->offset};
    o->storage = STORE_BLOCK;
    o->u.far.data = r->bytes;
    o->u.far.length = r->length;
    o->u.far.block = block;
    publish(o, state, code);
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
    case STORE_MALLOC:
    case STORE_BLOCK:
        *length = (size_t)o->u.far.length;
        return o->u.far.data;
    default:
        return NULL;
    }
}

struct failure *tine__outcome_failure(const struct outcome *o) {
    return o->storage == STORE_FAILURE ? o->u.failure : NULL;
}

static void free_block(struct outcome *o) {
    struct kept_block *block = o->u.far.block;
    struct pool *p = block->pool;
    if (!tine__pool_is_forked(p)) {
        pthread_mutex_lock(&p->lock);
        p->site->ops->release(p->site, block->lane, block->offset);
        pthread_mutex_unlock(&p->lock);
    }
    free(block);
    tine__pool_unref(p);
}

void tine__outcome_free(struct outcome *o) {
    switch (o->storage) {
    case STORE_MALLOC:
        free((void *)o->u.far.data);
        break;
    case STORE_BLOCK:
        free_block(o);
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
