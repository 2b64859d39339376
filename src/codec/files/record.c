/* Queries on the record of a module's file (see record.h). */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "codec/files/record.h"

static const struct file_hash *look(const struct file_hash *list, uint32_t n, uint64_t hash) {
    struct file_hash key = {.hash = hash};
    return n ? bsearch(&key, list, n, sizeof key, tine__compare_hashes) : NULL;
}

struct file_hash *tine__file_function(const struct file *f, uint64_t hash) {
    return (struct file_hash *)look(f->functions, f->nfunctions, hash);
}

bool tine__file_defines_another(const struct file *f, const char *key, uint64_t hash) {
    uint64_t k = tine__hash(key, strlen(key));
    bool another = false;
    for (uint32_t i = 0; i < f->ndefinitions; i++) {
        if (f->definitions[i].key == k &&
            (f->definitions[i].function == hash || !f->definitions[i].function))
            return false;
        another |= f->definitions[i].key == k;
    }
    return another;
}

bool tine__file_defines(const struct file *f, const char *key, uint64_t hash) {
    uint64_t k = tine__hash(key, strlen(key));
    bool defines = false;
    for (uint32_t i = 0; !defines && i < f->ndefinitions; i++)
        defines = f->definitions[i].key == k && f->definitions[i].function == hash &&
                  !f->definitions[i].of_module;
    return defines;
}

bool tine__file_mentions(const struct file *f, const char *text) {
    return look(f->texts, f->ntexts, tine__hash(text, strlen(text)));
}

enum store_rank tine__file_key_rank(const struct file *f, const char *key) {
    uint64_t hash = tine__hash(key, strlen(key));
    uint32_t low = 0, high = f->nkeys;
    while (low < high) { /* ends behind the last entry of the key, its worst rank */
        uint32_t mid = low + (high - low) / 2;
        if (f->keys[mid].hash <= hash)
            low = mid + 1;
        else
            high = mid;
    }
    if (low && f->keys[low - 1].hash == hash)
        return f->keys[low - 1].rank;
    return tine__file_mentions(f, key) ? STORE_MENTIONED : STORE_UNKNOWN;
}

bool tine__file_stores(const struct file *f, const char *key) {
    enum store_rank rank = tine__file_key_rank(f, key);
    return rank != STORE_MENTIONED && rank != STORE_UNKNOWN;
}

int tine__compare_hashes(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

bool tine__file_has_value(const struct file *f, const char *text) {
    uint64_t hash = tine__hash(text, strlen(text));
    return f->nvalues && bsearch(&hash, f->values, f->nvalues, sizeof hash, tine__compare_hashes);
}

bool tine__file_may_store(const struct file *f, const char *key) {
    return tine__file_stores(f, key) || tine__file_has_value(f, key);
}

static int bit_of(int upvalue) {
    return upvalue - 1 < 63 ? upvalue - 1 : 63;
}

bool tine__file_assigns(const struct file *f, uint64_t function, int upvalue) {
    const struct file_hash *h = tine__file_function(f, function);
    return h && upvalue <= 64 && h->assigns >> (upvalue - 1) & 1;
}

bool tine__file_is_fixed(const struct file *f, uint64_t function, int upvalue) {
    const struct file_hash *h = tine__file_function(f, function);
    return h && !h->again && upvalue < 64 && (h->fixed & ~h->varies) >> (upvalue - 1) & 1;
}

bool tine__file_is_given(const struct file *f, uint64_t function, int upvalue) {
    const struct file_hash *h = tine__file_function(f, function);
    return h && upvalue <= 64 && h->given >> (upvalue - 1) & 1;
}

uint64_t tine__start_hash(uint64_t function, int upvalue, uint64_t what) {
    uint64_t parts[3] = {function, (uint64_t)upvalue, what};
    return tine__hash(parts, sizeof parts);
}

bool tine__file_starts_with(const struct file *f, uint64_t function, int upvalue, uint64_t what) {
    uint64_t hash = tine__start_hash(function, upvalue, what);
    return f->nstarts && bsearch(&hash, f->starts, f->nstarts, sizeof hash, tine__compare_hashes);
}

bool tine__file_fills(const struct file *f, uint64_t function, int upvalue) {
    const struct file_hash *h = tine__file_function(f, function);
    return h && (h->filled & ~h->varies) >> bit_of(upvalue) & 1;
}

bool tine__file_tells(const struct file *f, uint64_t function, int upvalue) {
    const struct file_hash *h = tine__file_function(f, function);
    return h && (h->told & ~h->varies) >> bit_of(upvalue) & 1;
}

enum store_rank tine__file_upvalue_rank(const struct file *f, uint64_t function, int upvalue) {
    const struct file_hash *h = tine__file_function(f, function);
    if (!h)
        return STORE_UNKNOWN;
    int bit = bit_of(upvalue);
    return h->varies >> bit & 1 ? STORE_VARIES : h->again ? STORE_ALIAS : STORE_CALLED;
}

bool tine__file_has_fields(const struct file *f) {
    bool has = false;
    for (uint32_t i = 0; !has && i < f->ndefinitions; i++)
        has = f->definitions[i].of_module;
    return has;
}
