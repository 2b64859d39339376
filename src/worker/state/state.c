#include "worker/state/state.h"

#include <locale.h>
#include <string.h>
#include <lauxlib.h>
#include <lualib.h>

#include "base/own.h"
#include "base/slab.h"
#include "base/sys.h"
#include "worker/process/process.h"
#include "worker/state/arg.h"
#include "worker/state/seed.h"
#include "worker/state/threads.h"

void (*_Atomic tine__state_dress)(lua_State *L);
void (*_Atomic tine__state_mend)(lua_State *L);

static const char last_finalizer_key;

#define FIRST_PAUSE 400 /* percent of the state's size */

/* --- the end --- */

static OWN bool ending;

static int last_finalizer(lua_State *L) {
    (void)L;
    if (ending)
        tine__process_exit(0);
    return 0;
}

/* Finalizers run in the reverse order of their setting, so the one set first runs last. */
static void set_last_finalizer(lua_State *L) {
    lua_newuserdatauv(L, 0, 0);
    lua_createtable(L, 0, 1);
    lua_pushcfunction(L, last_finalizer);
    lua_setfield(L, -2, "__gc");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &last_finalizer_key);
}

/* lua_close runs the finalizers, then frees one object after the other, which takes longer and is
** useless: the memory goes with the process. So the last finalizer ends the process. */
_Noreturn void tine__state_end(lua_State *L) {
    ending = true;
    lua_close(L);
    tine__process_exit(0); /* only if a task has removed our finalizer */
}

/* --- the beginning --- */

/* Call what tasks call first, so that the dynamic linker resolves those functions of libc here,
** once, which takes it through the tables of every library. Nothing that reads the time zone, which
** is known only later. */
static void warm_up(lua_State *L) {
    static const char calls[] =
        "local _ = ('%d %.14g %s'):format(1, 0.5, 'x'), tostring(0.5), tonumber '0.5', 'a' < 'b', "
        "2 ^ 0.5, 5.5 % 2, 5.5 // 2, ('a b'):find '%s', ('ab'):find('b', 1, true), os.time(), "
        "os.clock(), os.getenv 'TZ', package.searchpath('-', '/dev/null/?'), ('x'):rep(5000)";
    if (luaL_dostring(L, calls))
        lua_error(L);
}

static int dress(lua_State *L) {
    set_last_finalizer(L);
    luaL_openlibs(L);
    tine__threads_open(L);
    warm_up(L);
    tine__seed_open(L);
    lua_settop(L, 0);
    /* this is no worker yet, but no submitter either: the module must not take a root here */
    lua_pushboolean(L, 0);
    lua_setfield(L, LUA_REGISTRYINDEX, TINE_WORKER_FIELD);
    void (*add)(lua_State *) = tine__state_dress;
    if (add)
        add(L);
    return 0;
}

void tine__state_huge_pages(lua_State *L, struct alloc *behind) {
    behind->f = lua_getallocf(L, &behind->ud);
    lua_setallocf(L, tine__alloc, behind);
}

/* A sanitizer does not see writes beside blocks of a slab. */
#if defined(__SANITIZE_ADDRESS__)
#define SLABS false
#else
#define SLABS true
#endif

void tine__state_slab(lua_State *L, struct alloc *behind) {
    behind->f = lua_getallocf(L, &behind->ud);
    struct slab *s = SLABS ? tine__slab_new(behind) : NULL;
    if (s)
        lua_setallocf(L, tine__slab_alloc, s);
    else
        tine__state_huge_pages(L, behind);
}

lua_State *tine__state_new(struct alloc *behind, bool lasting) {
    lua_State *L = luaL_newstate();
    if (!L)
        return NULL;
    if (lasting)
        tine__state_slab(L, behind);
    else
        tine__state_huge_pages(L, behind);
    lua_pushcfunction(L, dress);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK) {
        lua_close(L);
        return NULL;
    }
    lua_settop(L, 0);
    /* collect, so that workers do not begin with our garbage; and set a longer pause, so that no
    ** short task starts a collection, which would copy all shared pages */
    int pause = lua_gc(L, LUA_GCSETPAUSE, FIRST_PAUSE);
    lua_gc(L, LUA_GCCOLLECT);
    lua_gc(L, LUA_GCSETPAUSE, pause);
    return L;
}

static void set_text(lua_State *L, const char *key, const char *text) {
    if (!text)
        return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, key);
}

void tine__state_place(lua_State *L, const struct boot *boot) {
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_LOADLIBNAME);
    set_text(L, "path", boot->path);
    set_text(L, "cpath", boot->cpath);
    lua_pop(L, 2);
    if (boot->arg)
        tine__arg_set(L, boot->arg);
    if (boot->locale && strcmp(boot->locale, setlocale(LC_ALL, NULL)) != 0)
        setlocale(LC_ALL, boot->locale);
    if (boot->warnings)
        lua_warning(L, "@on", 0);
}
