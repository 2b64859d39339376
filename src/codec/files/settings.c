/* Settings: scalars that a module's file stores in fields. What a module has there may come from
** its file. */
#include <stdlib.h>
#include <string.h>
#include "base/hash.h"
#include "codec/files/record.h"

/* Types of constants, as they are in dumps (lua/dump.c). */
#define DUMPED_FALSE 0x01
#define DUMPED_TRUE 0x11
#define DUMPED_INTEGER 0x03
#define DUMPED_FLOAT 0x13

uint64_t tine__constant_hash(const unsigned char *dumped, size_t len) {
    uint64_t hash = tine__hash(dumped, len);
    return hash > SETTING_FILLED ? hash : SETTING_FILLED + 1;
}

static uint64_t hash_number(unsigned char kind, const void *number) {
    unsigned char dumped[1 + sizeof(lua_Integer)] = {kind};
    memcpy(dumped + 1, number, sizeof(lua_Integer));
    return tine__constant_hash(dumped, sizeof dumped);
}
_Static_assert(sizeof(lua_Integer) == sizeof(lua_Number), "either is dumped in as many bytes");

uint64_t tine__scalar_hash(lua_State *L, int idx) {
    if (lua_isinteger(L, idx)) {
        lua_Integer n = lua_tointeger(L, idx);
        return hash_number(DUMPED_INTEGER, &n);
    }
    if (lua_type(L, idx) == LUA_TNUMBER) {
        lua_Number n = lua_tonumber(L, idx);
        return hash_number(DUMPED_FLOAT, &n);
    }
    if (lua_type(L, idx) == LUA_TSTRING) {
        size_t len;
        const char *text = lua_tolstring(L, idx, &len);
        return tine__hash(text, len);
    }
    const unsigned char dumped = lua_toboolean(L, idx) ? DUMPED_TRUE : DUMPED_FALSE;
    return tine__constant_hash(&dumped, 1);
}

/* The first setting with this key; the end of the list: there is none. */
static const struct file_setting *find(const struct file *f, uint64_t key) {
    uint32_t low = 0, high = f->nsettings;
    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        if (f->settings[mid].key < key)
            low = mid + 1;
        else
            high = mid;
    }
    bool found = low < f->nsettings && f->settings[low].key == key;
    return f->settings + (found ? low : f->nsettings);
}

/* Is one of the values `a` and `b` stored under this key? */
static bool has_value(const struct file *f, const char *key, uint64_t a, uint64_t b) {
    const struct file_setting *end = f->settings + f->nsettings;
    uint64_t hash = tine__hash(key, strlen(key));
    for (const struct file_setting *s = find(f, hash); s < end && s->key == hash; s++)
        if (s->value == a || s->value == b)
            return true;
    return false;
}

bool tine__file_sets(const struct file *f, const char *key, uint64_t scalar) {
    return has_value(f, key, scalar, SETTING_OTHER);
}

bool tine__file_fills_field(const struct file *f, const char *key) {
    return has_value(f, key, SETTING_FILLED, SETTING_FILLED);
}

bool tine__file_leaves(const struct file *f, const char *key) {
    return !f->spreads && !tine__file_mentions(f, "rawset") && !tine__file_has_value(f, key) &&
           !tine__file_sets(f, key, SETTING_OTHER);
}

bool tine__file_has_setting(const struct file *f, const char *key) {
    return find(f, tine__hash(key, strlen(key))) < f->settings + f->nsettings;
}

bool tine__file_never_sets(const struct file *f, const char *key) {
    return !tine__file_has_setting(f, key) && (!f->computes || tine__file_mentions(f, key));
}
