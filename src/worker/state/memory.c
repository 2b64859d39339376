#include "worker/state/memory.h"

#include <stddef.h>
#include <string.h>

#define BOX_OBJECT 64u /* bytes: the userdata that owns a buffer is no larger */

/* Is this block a buffer of luaL_Buffer? The userdata that owns it was allocated just before. */
static bool is_box(const struct memory_limit *l, const void *block, size_t tag) {
    if (!block)
        return l->owner && tag == 0;
    for (int i = 0; i < MEMORY_BOXES; i++)
        if (l->box[i] == block)
            return true;
    return false;
}

static void move_box(struct memory_limit *l, const void *from, void *to) {
    for (int i = 0; from && i < MEMORY_BOXES; i++)
        if (l->box[i] == from) {
            l->box[i] = to;
            return;
        }
    l->box[l->next++ % MEMORY_BOXES] = to;
}

/* The allocator. For a new block Lua passes the kind of object in place of the old size. */
static void *limited(void *ud, void *block, size_t old_size, size_t size) {
    struct memory_limit *l = ud;
    bool box = is_box(l, block, old_size);
    size_t tag = block ? 0 : old_size, old = block ? old_size : 0;
    int64_t more = (int64_t)size - (int64_t)old;
    bool over = more > 0 && l->used + more > l->most && !l->paused;
    l->owner = tag == LUA_TUSERDATA && size <= BOX_OBJECT;
    if (over && !(box && (int64_t)size <= l->most)) {
        l->refused = true;
        l->had = l->used;
        return NULL;
    }
    void *p = l->behind.f(l->behind.ud, block, old_size, size);
    if (p || size == 0)
        l->used += more;
    if (box && (p || size == 0))
        move_box(l, block, p);
    return p;
}

struct slab *tine__memory_slab(lua_State *L) {
    void *s;
    return lua_getallocf(L, &s) == tine__slab_alloc ? s : NULL;
}

void tine__memory_limit(struct memory_limit *l, lua_State *L, uint64_t most) {
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT); /* garbage that finalizers have left */
    *l = (struct memory_limit){.most = most < INT64_MAX ? (int64_t)most : INT64_MAX};
    l->behind.f = lua_getallocf(L, &l->behind.ud);
    lua_setallocf(L, limited, l);
}

void tine__memory_free(const struct memory_limit *l, lua_State *L) {
    lua_setallocf(L, l->behind.f, l->behind.ud);
}

void tine__memory_pause(lua_State *L, bool pause) {
    void *l;
    if (lua_getallocf(L, &l) == limited)
        ((struct memory_limit *)l)->paused += pause ? 1u : -1u;
}

bool tine__memory_was_short(const struct memory_limit *l, lua_State *L, int status,
                            struct report_memory *out) {
    if (!l->refused)
        return false;
    *out = (struct report_memory){(uint64_t)l->most, l->had > 0 ? (uint64_t)l->had : 0};
    /* coroutine.wrap and luaL_Buffer raise it as an ordinary error */
    return status == LUA_ERRMEM || (lua_type(L, -1) == LUA_TSTRING &&
                                    strcmp(lua_tostring(L, -1), "not enough memory") == 0);
}
