/* A page that a worker writes to becomes a copy of its own. Two things write all over what a
** preload has made, though no task does, and are prevented here:
**
** - Lua's collector marks each object that it visits. So existing objects are made old, and workers
**   use the generational collector, which visits only young objects; it visits all when memory has
**   doubled, or when a task asks for a full collection. The string table is made large enough for
**   young strings: when it grows, each string is written to.
** - malloc reuses freed pieces, which lie between those in use. So free pages go back to the
**   system, and the remaining free pieces are taken for good: from now on memory comes from fresh
**   pages. The slab, where the small objects are, is sealed.
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

#define SMALL 1024          /* KiB: a smaller state is not worth it */
#define PAUSE 200           /* Lua's default; any other value was set by the preload */
#define YOUNG 6144          /* KiB between two collections of young objects */
#define MOST_STRINGS 131072 /* strings that may be among them */

/* (n): make more strings at a time than there ever were. */
static int make_strings(lua_State *L) {
    lua_Integer n = lua_tointeger(L, 1);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_pushfstring(L, "\1tine %I", (LUAI_UACINT)i);
        lua_rawseti(L, -2, i);
    }
    return 0;
}

/* The minor parameter of the collector, in percent; Lua's default is 20. */
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
    lua_gc(L, LUA_GCCOLLECT); /* garbage that finalizers have left */
    kib = lua_gc(L, LUA_GCCOUNT);
    lua_gc(L, LUA_GCGEN, minor_of(kib > 0 ? kib : 1), 0);
    lua_gc(L, LUA_GCSTEP, 0); /* or the first young collection comes as late as a full one */
}

/* --- malloc --- */

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)

/* Is this a piece that was freed, and not fresh memory? */
static bool is_old(const char *p, const char *start, const char *fresh) {
    return p >= start && p < fresh;
}

/* Take all free pieces, from large to small, so that no small one is cut from a large one. */
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

/* `start`: a piece allocated early. `keepcost` is the size of the memory above
** the last piece in use. */
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
