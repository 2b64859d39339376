#include "worker/store.h"

#include <assert.h>
#include <string.h>

#define UNIT 16u /* an id is the block's offset in units; blocks are aligned to it */
#define MAGIC_CODE 0x65646f63u
#define MAGIC_ORIGIN 0x6769726fu

struct stored_code {
    uint32_t magic, spare;
    uint64_t hash, len; /* of the bytes, which follow */
};

struct stored_origin {
    uint32_t magic;
    int32_t line;
    uint32_t name, source; /* bytes of the two strings that follow, their zeros included */
};

/* A block for `size` bytes, its id in *id. Beyond 64 GB of heap there are no ids any more: NULL. */
static void *take_block(struct heap *h, size_t size, uint32_t *id) {
    uint64_t offset;
    void *block = tine__heap_alloc(h, size, &offset);
    if (!block)
        return NULL;
    assert(offset % UNIT == 0);
    if (offset / UNIT > UINT32_MAX) {
        tine__heap_free(h, offset);
        return NULL;
    }
    *id = (uint32_t)(offset / UNIT);
    return block;
}

/* Worker: the head of block `id` when it starts with `magic`. */
static const void *find_block(struct heap *h, uint32_t id, uint32_t magic, size_t head) {
    int err;
    const uint32_t *p = id ? tine__heap_at(h, (uint64_t)id * UNIT, head, &err) : NULL;
    return p && *p == magic ? p : NULL;
}

uint32_t tine__store_code(struct heap *h, const struct codec_code *code) {
    uint32_t id;
    struct stored_code *s = take_block(h, sizeof *s + code->len, &id);
    if (!s)
        return 0;
    *s = (struct stored_code){MAGIC_CODE, 0, code->hash, code->len};
    memcpy(s + 1, code->bytes, code->len);
    return id;
}

bool tine__store_find_code(struct heap *h, uint32_t id, struct codec_code *out) {
    const struct stored_code *s = find_block(h, id, MAGIC_CODE, sizeof *s);
    int err;
    if (!s || s->len > SIZE_MAX - sizeof *s)
        return false;
    if (!tine__heap_at(h, (uint64_t)id * UNIT, sizeof *s + s->len, &err))
        return false;
    *out = (struct codec_code){(const char *)(s + 1), s->len, s->hash};
    return true;
}

uint32_t tine__store_origin(struct heap *h, const struct codec_origin *origin,
                            struct codec_origin *out) {
    const char *name = origin->name ? origin->name : "function";
    const char *source = origin->source ? origin->source : "";
    size_t nname = strlen(name) + 1, nsource = strlen(source) + 1;
    uint32_t id;
    struct stored_origin *s = take_block(h, sizeof *s + nname + nsource, &id);
    if (!s)
        return 0;
    *s = (struct stored_origin){MAGIC_ORIGIN, origin->line, (uint32_t)nname, (uint32_t)nsource};
    char *text = (char *)(s + 1);
    memcpy(text, name, nname);
    memcpy(text + nname, source, nsource);
    *out = (struct codec_origin){text, text + nname, origin->line, id};
    return id;
}

bool tine__store_find_origin(struct heap *h, uint32_t id, struct codec_origin *out) {
    const struct stored_origin *s = find_block(h, id, MAGIC_ORIGIN, sizeof *s);
    int err;
    if (!s || !s->name || !s->source)
        return false;
    size_t size = sizeof *s + s->name + s->source;
    if (!tine__heap_at(h, (uint64_t)id * UNIT, size, &err))
        return false;
    const char *text = (const char *)(s + 1);
    if (text[s->name - 1] || text[s->name + s->source - 1])
        return false;
    *out = (struct codec_origin){text, text + s->name, s->line, id};
    return true;
}
