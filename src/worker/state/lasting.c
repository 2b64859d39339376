/* Memory that a worker writes to becomes its own. Two things write all over what a preload has made, though no task
** does, and are kept from it here:
**
** - Lua's collector marks each object that it passes over. So what there is becomes old, and the workers' collector is
**   the generational one, which passes over young objects only: all others it goes to when as much again has come to
**   live, or when a task calls for a whole collection. And the table of all strings is large enough for what is young:
**   when it grows, each string is written to.
** - malloc gives away what was freed, and that lies between what is in use. So the free pages go back to the system, and
**   what is left of the free pieces is taken, for good: what is asked for from now on comes from fresh pages. The slab,
**   where the small objects are, is sealed.
*/
#include "worker/state/lasting.h"

#include <stdint.h>
#include <unistd.h>

#include "base/sys.h"
#include "worker/state/memory.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* --- the collector --- */

#define SMALL 1024          /* KiB: what is no larger is not worth it */
#define PAUSE 200           /* Lua's own: else somebody has set the collector as he wants it */
#define YOUNG 6144          /* KiB that come between two collections */
#define MOST_STRINGS 131072 /* that there may be among these */

/* (n): as many strings at a time as there were never before. */
static int make_strings(lua_State *L) {
    lua_Integer n = lua_tointeger(L, 1);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_pushfstring(L, "\1tine %I", (LUAI_UACINT)i);
        lua_rawseti(L, -2, i);
    }
    return 0;
}

/* 20 % is Lua's own. */
static int minor_of(int kib) {
    int percent = (int)((int64_t)YOUNG * 100 / kib);
    return percent < 1 ? 1 : percent > 20 ? 20 : percent;
}

static bool is_set_by_hand(lua_State *L) {
    int pause = lua_gc(L, LUA_GCSETPAUSE, PAUSE);
    lua_gc(L, LUA_GCSETPAUSE, pause);
    return pause != PAUSE || !lua_gc(L, LUA_GCISRUNNING);
}

static void make_old(lua_State *L) {
    int kib = lua_gc(L, LUA_GCCOUNT), strings = kib * 16;
    lua_pushcfunction(L, make_strings);
    lua_pushinteger(L, strings < MOST_STRINGS ? strings : MOST_STRINGS);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCCOLLECT); /* what finalizers have let go of */
    kib = lua_gc(L, LUA_GCCOUNT);
    lua_gc(L, LUA_GCGEN, minor_of(kib > 0 ? kib : 1), 0);
    lua_gc(L, LUA_GCSTEP, 0); /* or the first one comes after as long as if it were a whole one */
}

/* --- malloc --- */

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)

/* Is this piece not from fresh memory, but one that was freed? */
static bool is_old(const char *p, const char *start, const char *fresh) {
    return p >= start && p < fresh;
}

/* From large ones to small ones, so that one of the latter is never taken from one of the former. */
static void take_pieces(const char *start, const char *fresh) {
    for (size_t size = (size_t)64 << 10; size >= 24; size = size > 1024 ? size / 2 : size - 16)
        for (;;) {
            char *p = sys.malloc(size);
            if (!is_old(p, start, fresh)) {
                free(p);
                break;
            }
        }
}

/* `start`: something that was allocated early. What lies above the last piece in use is `keepcost`. */
static void use_fresh_pages(const void *start) {
    malloc_trim(0);
    const char *end = sbrk(0);
    size_t top = mallinfo2().keepcost;
    take_pieces(start, end - top);
}

#else

static void use_fresh_pages(const void *start) {
    (void)start;
}

#endif

void tine__lasting(lua_State *L) {
    if (lua_gc(L, LUA_GCCOUNT) < SMALL)
        return;
    if (!is_set_by_hand(L))
        make_old(L);
    use_fresh_pages(L);
    struct slab *slab = tine__memory_slab(L);
    if (slab)
        tine__slab_seal(slab);
}
