/* The store on a worker's side. What it reads was written by the submitter, but is checked all the
** same: an id may come from a damaged message. */
#include <errno.h>

#include "base/error.h"
#include "store/blob.h"
#include "store/store.h"

uint32_t tine__store_gone(struct heap *h) {
    return tine__heap_forgotten(h);
}

/* errno says whether it is there and cannot be mapped. */
static bool not_found(int err) {
    if (err != TINE_ESYSTEM)
        errno = 0;
    return false;
}

bool tine__store_find(struct heap *h, uint64_t id, struct codec_code *code,
                      struct codec_origin *origin) {
    uint64_t offset = (id & ((UINT64_C(1) << BLOB_PLACE_BITS) - 1)) * BLOB_UNIT;
    int err = 0;
    const struct blob_head *p = offset ? tine__heap_at(h, offset, sizeof *p, &err) : NULL;
    if (!p || p->magic != BLOB_MAGIC || p->id != id || !p->name || !p->source ||
        p->len > UINT64_MAX / 2)
        return not_found(err);
    const struct blob_head b = *p;
    uint64_t size = sizeof b + b.name + b.source + b.len;
    if (!tine__heap_at(h, offset, size, &err))
        return not_found(err);
    const char *name = (const char *)(p + 1), *source = name + b.name, *bytes = source + b.source;
    if (source[-1] || bytes[-1])
        return not_found(0);
    if (code)
        *code = (struct codec_code){b.len ? bytes : NULL, b.len, b.hash};
    if (origin)
        *origin = (struct codec_origin){name, source, b.line};
    return true;
}
