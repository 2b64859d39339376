/* The set of objects in a message (seen.h). */
#include <stdlib.h>
#include "base/sys.h"
#include "codec/encode/encoder.h"
#include "codec/encode/seen.h"

static inline uint32_t hash_pointer(const void *key) {
    uint64_t x = (uint64_t)(uintptr_t)key >> 3;
    return (uint32_t)((x * UINT64_C(0x9E3779B97F4A7C15)) >> 32);
}

static inline bool occupied(const struct seen *s, uint32_t slot) {
    uint32_t i = s->index[slot];
    return i < s->len && s->entries[i].slot == slot;
}

static uint32_t free_slot(const struct seen *s, const void *key) {
    uint32_t slot = hash_pointer(key) & s->mask;
    while (occupied(s, slot))
        slot = (slot + 1) & s->mask;
    return slot;
}

/* Entries are put back in their order, so that older ones come first in each probe sequence. */
static void reindex(struct seen *s) {
    uint32_t n = s->len;
    for (s->len = 0; s->len < n;) {
        uint32_t slot = free_slot(s, s->entries[s->len].key);
        s->index[slot] = s->len;
        s->entries[s->len].slot = slot;
        s->len++;
    }
}

static bool grow(struct seen *s) {
    uint32_t cap = s->cap ? s->cap * 2 : 64;
    if (cap > UINT32_MAX / 4)
        return false;
    struct seen_entry *entries = sys.realloc(s->entries, cap * sizeof *entries);
    if (!entries)
        return false;
    s->entries = entries;
    uint32_t *index = sys.calloc((size_t)cap * 2, sizeof *index);
    if (!index)
        return false;
    free(s->index);
    s->index = index;
    s->cap = cap;
    s->mask = cap * 2 - 1;
    reindex(s);
    return true;
}

struct seen_entry *tine__seen_find(struct seen *s, const void *key) {
    uint32_t slot = s->cap ? hash_pointer(key) & s->mask : 0;
    for (; s->cap && occupied(s, slot); slot = (slot + 1) & s->mask)
        if (s->entries[s->index[slot]].key == key)
            return &s->entries[s->index[slot]];
    return NULL;
}

struct seen_entry *tine__seen_put(struct seen *s, const void *key, bool *found) {
    if (s->len == s->cap && !grow(s))
        return NULL;
    uint32_t slot = hash_pointer(key) & s->mask;
    for (; occupied(s, slot); slot = (slot + 1) & s->mask) {
        struct seen_entry *e = &s->entries[s->index[slot]];
        if (e->key == key) {
            *found = true;
            return e;
        }
    }
    *found = false;
    struct seen_entry *e = &s->entries[s->len];
    *e = (struct seen_entry){.key = key, .slot = slot};
    s->index[slot] = s->len++;
    return e;
}

void tine__seen_free(struct seen *s) {
    free(s->entries);
    free(s->index);
    *s = (struct seen){0};
}
