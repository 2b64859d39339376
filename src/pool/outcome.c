/* Outcomes: where the bytes of a result are kept until somebody asks for them. */
#include "pool/outcome.h"

#include <assert.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "pool/internal.h"

enum storage { STORE_NONE, STORE_INLINE, STORE_MALLOC, STORE_BLOCK, STORE_FAILURE };

static void publish(struct outcome *o, enum outcome_state state, int code) {
    assert(!outcome_settled(o));
    o->code = (int16_t)code;
    atomic_store_explicit(&o->state, state, memory_order_release);
}

void tine__outcome_set_bytes(struct outcome *o, enum outcome_state state, int code,
                             const char *bytes, size_t length) {
    o->length = length;
    if (length <= OUTCOME_INLINE) {
        o->storage = STORE_INLINE;
        memcpy(o->u.bytes, bytes, length);
    } else {
        o->u.far.data = sys.malloc(length);
        if (!o->u.far.data) {
            tine__outcome_set_failure(o, TINE_ENOMEM, NULL);
            return;
        }
        o->storage = STORE_MALLOC;
        memcpy(o->u.far.data, bytes, length);
    }
    publish(o, state, code);
}

void tine__outcome_set_block(struct outcome *o, enum outcome_state state, int code, struct pool *p,
                             const struct result_item *r) {
    o->storage = STORE_BLOCK;
    o->length = r->length;
    o->u.far.data = (char *)r->bytes;
    o->u.far.pool = tine__pool_ref(p);
    o->u.far.lane = r->lane;
    o->u.far.offset = r->offset;
    publish(o, state, code);
}

void tine__outcome_set_failure(struct outcome *o, int code, struct failure *f) {
    o->length = 0;
    o->storage = f ? STORE_FAILURE : STORE_NONE;
    o->u.failure = tine__failure_ref(f);
    publish(o, OUTCOME_FAILED, code);
}

const char *tine__outcome_bytes(const struct outcome *o, size_t *length) {
    *length = (size_t)o->length;
    switch (o->storage) {
    case STORE_INLINE:
        return o->u.bytes;
    case STORE_MALLOC:
    case STORE_BLOCK:
        return o->u.far.data;
    default:
        return NULL;
    }
}

struct failure *tine__outcome_failure(const struct outcome *o) {
    return o->storage == STORE_FAILURE ? o->u.failure : NULL;
}

bool tine__outcome_owns(const struct outcome *o) {
    return o->storage > STORE_INLINE;
}

static void free_block(struct outcome *o) {
    struct pool *p = o->u.far.pool;
    if (!tine__pool_is_forked(p)) {
        pthread_mutex_lock(&p->lock);
        p->backend->ops->release(p->backend, o->u.far.lane, o->u.far.offset);
        p->kept--;
        pthread_mutex_unlock(&p->lock);
    }
    tine__pool_unref(p);
}

void tine__outcome_free(struct outcome *o) {
    switch (o->storage) {
    case STORE_MALLOC:
        free(o->u.far.data);
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
