#include "worker/task/prelude.h"

#include <dlfcn.h>
#include <string.h>
#include <lauxlib.h>

#include "base/error.h"
#include "codec/segment.h"
#include "msg/extra.h"
#include "store/store.h"
#include "worker/state/seed.h"
#include "worker/state/state.h"
#include "worker/task/ask.h"
#include "worker/task/worker_table.h"

/* --- the pool --- */

static const char code_key; /* registry key: the struct run_code */

/* Lua stack slots for the first tasks, so that the stack is not reallocated in each
** of a thousand workers. */
#define STACK 150

/* Our id for a function that another machine names by `id`; 0: the current call does not name
** it. */
static uint64_t our_name(const struct run_code *c, uint64_t id) {
    for (uint32_t i = 0; i < c->nnames; i++) {
        struct call_far_name name;
        memcpy(&name, c->names + i * sizeof name, sizeof name);
        if (name.theirs == id)
            return name.ours;
    }
    return 0;
}

static bool get_code(void *ctx, uint64_t id, struct codec_code *out) {
    const struct run_code *c = ctx;
    uint64_t ours = id & STORE_CONTENT ? our_name(c, id) : id;
    return ours && tine__store_find(c->calls, ours, out, NULL);
}

static uint32_t gone(void *ctx) {
    return tine__store_gone(((const struct run_code *)ctx)->calls);
}

/* (address of a pointer, which receives the new struct run_code) */
static int make_code(lua_State *L) {
    struct run_code **code = lua_touserdata(L, 1);
    *code = lua_newuserdatauv(L, sizeof **code, 0);
    **code = (struct run_code){0};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &code_key);
    return 0;
}

int tine__prelude_open(struct run *r, lua_State *L) {
    struct run_code *code;
    lua_settop(L, 0);
    if (!lua_checkstack(L, STACK))
        return TINE_ENOMEM;
    lua_pushcfunction(L, make_code);
    lua_pushlightuserdata(L, &code);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        return TINE_ENOMEM;
    const struct codec_options options = {.store = {.get = get_code, .gone = gone, .ctx = code}};
    int err = tine__run_open(r, L, &options);
    r->code = code;
    return err;
}

/* (boot) */
static int place(lua_State *L) {
    tine__state_place(L, lua_touserdata(L, 1));
    return 0;
}

int tine__prelude_place(struct run *r, const struct boot *b, struct heap *calls) {
    int top = lua_gettop(r->L);
    r->code->calls = calls;
    tine__codec_send_globals(r->codec, b->send_globals);
    lua_pushcfunction(r->L, place);
    lua_pushlightuserdata(r->L, (void *)b);
    if (lua_pcall(r->L, 1, 0, 0) == LUA_OK)
        return 0;
    lua_settop(r->L, top);
    return TINE_ENOMEM;
}

/* --- calls before tasks --- */

/* 0, or TINE_ETASK with an error segment in `out`. */
static int run_call(struct run *r, const struct run_call *call, struct buf *out) {
    out->len = 0;
    enum record_kind kind = tine__run(r, call, out);
    if (kind == RECORD_REFUSED)
        tine__run_text(r, out);
    return kind == RECORD_VALUES ? 0 : TINE_ETASK;
}

/* Run a call of `length` bytes: a function segment of `function` bytes, then
** arguments. Returns as run_call. */
static int run_bytes(struct run *r, const char *bytes, size_t function, size_t length,
                     struct buf *out) {
    const struct run_call call = {.function = bytes,
                                  .function_len = function,
                                  .arguments = bytes + function,
                                  .arguments_len = length - function,
                                  .quiet = true};
    return run_call(r, &call, out);
}

/* (run) Look at what was loaded, so that workers need not */
static int learn(lua_State *L) {
    const struct run *r = lua_touserdata(L, 1);
    tine__codec_learn(L, r->codec);
    return 0;
}

int tine__prelude_preload(struct run *r, const struct boot *b, struct buf *out) {
    const char *rest = b->preload + b->preload_function;
    size_t left = b->preload_len - b->preload_function;
    int err = 0;
    for (uint32_t i = 0; i < b->preload_count && !err; i++) {
        size_t n = segment_length(rest, left);
        const struct run_call call = {.function = b->preload,
                                      .function_len = b->preload_function,
                                      .arguments = rest,
                                      .arguments_len = n,
                                      .quiet = true};
        err = run_call(r, &call, out);
        rest += n;
        left -= n;
    }
    return err ? err : tine__run_c(r, learn, r, out);
}

int tine__prelude_initialize(struct run *r, const struct boot *b, struct buf *out) {
    if (!b->initializer)
        return 0;
    return run_bytes(r, b->initializer, b->initializer_function, b->initializer_len, out);
}

void tine__prelude_finalize(struct run *r, const struct boot *b, struct buf *out) {
    if (!b->finalizer)
        return;
    run_bytes(r, b->finalizer, b->finalizer_function, b->finalizer_len, out);
}

/* --- the host program's hook --- */

/* name: "lib.so:symbol" */
static boot_hook find_hook(lua_State *L, const char *name) {
    const char *colon = strrchr(name, ':');
    if (!colon)
        luaL_error(L, "the hook '%s' is not of the form 'lib.so:symbol'", name);
    lua_pushlstring(L, name, (size_t)(colon - name));
    void *lib = dlopen(colon > name ? lua_tostring(L, -1) : NULL, RTLD_NOW | RTLD_LOCAL);
    void *symbol = lib ? dlsym(lib, colon + 1) : NULL;
    if (!symbol)
        luaL_error(L, "the hook '%s' cannot be found: %s", name, dlerror());
    boot_hook hook;
    memcpy(&hook, &symbol, sizeof hook);
    return hook;
}

static void run_hook(lua_State *L, const struct boot *b, bool executed) {
    boot_hook hook = executed ? NULL : b->hook;
    void *arg = executed ? NULL : b->hook_arg;
    if (b->hook_name)
        hook = find_hook(L, b->hook_name);
    else if (b->hook && executed)
        luaL_error(L, "a hook that is a function of the program needs start_method 'fork'; with "
                      "'spawn', or in a program that had threads, name it as 'lib.so:symbol'");
    int top = lua_gettop(L);
    if (!hook || hook(L, arg) == 0)
        return;
    if (lua_gettop(L) <= top)
        luaL_error(L, "the hook has failed, and has not said why");
    lua_error(L);
}

struct preparation {
    struct loop *loop;
    unsigned id;
    const struct boot *boot;
    bool executed;
};

/* (preparation) */
static int prepare(lua_State *L) {
    const struct preparation *p = lua_touserdata(L, 1);
    tine__seed_fresh(L);
    tine__worker_table(L, p->loop, (lua_Integer)p->id);
    if (p->id > 0) /* 0: inside the program, which has other means */
        tine__ask_open(L, p->loop->channel);
    run_hook(L, p->boot, p->executed);
    return 0;
}

int tine__prelude_prepare(struct loop *l, unsigned id, const struct boot *b, bool executed,
                          struct buf *out) {
    struct preparation p = {l, id, b, executed};
    l->forks = tine__process_forks();
    return tine__run_c(&l->run, prepare, &p, out);
}
