/* The store on a worker's side. What it reads was written by the submitter, but is checked all the
** same: an id may come from a damaged message. */
#include "store/blob.h"
#include "store/store.h"

uint32_t tine__store_gone(struct heap *h) {
    return tine__heap_forgotten(h);
}

bool tine__store_find(struct heap *h, uint64_t id, struct codec_code *code,
                      struct codec_origin *origin) {
    uint64_t offset = (id & ((UINT64_C(1) << BLOB_PLACE_BITS) - 1)) * BLOB_UNIT;
    int err;
    const struct blob_head *p = offset ? tine__heap_at(h, offset, sizeof *p, &err) : NULL;
    if (!p || p->magic != BLOB_MAGIC || p->id != id || !p->name || !p->source ||
        p->len > UINT64_MAX / 2)
        return false;
    const struct blob_head b = *p;
    uint64_t size = sizeof b + b.name + b.source + b.len;
    if (!tine__heap_at(h, offset, size, &err))
        return false;
    const char *name = (const char *)(p + 1), *source = name + b.name, *bytes = source + b.source;
    if (source[-1] || bytes[-1])
        return false;
    if (code)
        *code = (struct codec_code){b.len ? bytes : NULL, b.len, b.hash};
    if (origin)
        *origin = (struct codec_origin){name, source, b.line};
    return true;
}
