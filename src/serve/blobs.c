/* Blobs: functions and shared values of submitters, in the store of our own pool. They are known by
** the number that their submitter gives them, which is the same everywhere. The least recently used
** ones are forgotten; a host that has forgotten one asks for it again.
*/
#include <string.h>
#include "base/oldest.h"
#include "base/sys.h"
#include "serve/internal.h"

struct known {
    uint64_t id; /* 0: free */
    uint64_t used;
    const struct codec_stored *stored;
};

struct blobs {
    struct store *store;
    uint64_t clock;
    uint64_t bytes; /* of all blobs */
    uint64_t most;  /* limit of `bytes`, unless tasks at hand need more */
    unsigned n;
    struct known list[SERVE_BLOBS];
};

struct blobs *tine__blobs_new(struct store *store, uint64_t most) {
    struct blobs *b = sys.calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->store = store;
    b->most = most;
    return b;
}

void tine__blobs_free(struct blobs *b) {
    for (unsigned i = 0; b && i < b->n; i++)
        tine__store_drop(b->store, b->list[i].stored);
    free(b);
}

static struct known *find(struct blobs *b, uint64_t id) {
    for (unsigned i = 0; i < b->n; i++)
        if (b->list[i].id == id)
            return &b->list[i];
    return NULL;
}

const struct codec_stored *tine__blob_find(struct blobs *b, uint64_t id) {
    struct known *k = find(b, id);
    if (!k)
        return NULL;
    k->used = ++b->clock;
    return k->stored;
}

uint64_t tine__blobs_now(const struct blobs *b) {
    return b->clock;
}

static void forget(struct blobs *b, struct known *k) {
    b->bytes -= k->stored->code.len;
    tine__store_drop(b->store, k->stored);
    *k = b->list[--b->n];
}

/* The least recently used blob; NULL: there is none. */
static struct known *oldest(struct blobs *b) {
    return b->n > 0 ? &b->list[oldest_of(&b->list[0].used, b->n, sizeof b->list[0])] : NULL;
}

/* Remember a blob. Those that were used since `since` are kept beyond the limit: a task that waits
** for its last blob must find all the others. */
static void remember(struct blobs *b, uint64_t id, const struct codec_stored *stored,
                     uint64_t since) {
    uint64_t bytes = stored->code.len;
    struct known *old = oldest(b);
    for (; old && old->used <= since && b->bytes + bytes > b->most; old = oldest(b))
        forget(b, old);
    if (old && b->n == SERVE_BLOBS)
        forget(b, old);
    b->list[b->n++] = (struct known){id, ++b->clock, stored};
    b->bytes += bytes;
}

/* Store a copy of a shared value, with room for its head. */
static const struct codec_stored *keep_value(struct store *store, const char *bytes, uint64_t n) {
    static const char head[STORE_VALUE_HEAD];
    struct store_refs none = {0}; /* each call names everything that its values name */
    const struct codec_stored *stored = NULL;
    uint64_t block = 0;
    struct buf b;
    tine__buf_init(&b);
    if (buf_append(&b, head, sizeof head) == 0 && buf_append(&b, bytes, n) == 0)
        stored = tine__store_value(store, &block, b.data, b.len, &none);
    tine__buf_free(&b);
    return stored;
}

void tine__blob_drop(struct blobs *b, uint64_t id) {
    struct known *k = find(b, id);
    if (k)
        forget(b, k);
}

void tine__blob_keep(struct blobs *b, struct gm_reader r, uint64_t since) {
    struct gm_code head;
    if (!tine__gm_copy(&r, &head, sizeof head))
        return;
    const char *name = tine__gm_take(&r, head.name), *source = tine__gm_take(&r, head.source);
    const char *bytes = tine__gm_take(&r, head.length);
    if (!name || !source || !bytes || !tine__gm_is_text(name, head.name) ||
        !tine__gm_is_text(source, head.source))
        return;
    if (tine__blob_find(b, head.id)) /* and must not be forgotten for what comes behind it */
        return;
    const struct codec_origin origin = {name, source, head.line};
    const struct codec_code code = {head.length ? bytes : NULL, head.length, head.hash};
    const struct codec_stored *stored = head.value ? keep_value(b->store, bytes, head.length)
                                                   : tine__store_put(b->store, &code, &origin);
    if (stored)
        remember(b, head.id, stored, since);
}
