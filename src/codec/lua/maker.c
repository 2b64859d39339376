/* Makers: functions that make closures of loaded code.
**
** Loading a dump for each call would cost several times as much as the call. So the dumped function
** is pasted, once, into a stub that Lua has compiled from
**
**     local u00, ..., uNN; return function() return u00, ..., uNN end
**
** The pasted function replaces the inner one. Only the descriptions of its upvalues are taken from
** the inner one, so that the stub's variables are its upvalues. Each call of the stub makes a new
** closure with new upvalues, by Lua's own means. No instruction is inspected or generated. A dump
** that is not understood to its last byte is not used.
*/
#include <lauxlib.h>
#include <string.h>
#include "base/buf.h"
#include "codec/lua/dump.h"
#include "codec/lua/maker.h"

#define MAX_STUB 100 /* upvalues; functions with more are loaded for each call */

/* Written without printf: a worker makes a maker for its first task, and printf would touch so many
** pages for the first time that this would take 80 microseconds longer. */
static char *append_names(char *p, int n) {
    for (int i = 0; i < n; i++) {
        p = stpcpy(p, i == 0 ? " u" : ", u");
        *p++ = (char)('0' + i / 10);
        *p++ = (char)('0' + i % 10);
    }
    return p;
}

static void write_stub(char *p, int n) {
    p = append_names(stpcpy(p, n ? "local" : ""), n);
    p = append_names(stpcpy(p, "; return function() return"), n);
    stpcpy(p, " end");
}

/* Append the dump of a stub with `n` variables. */
static bool dump_stub(lua_State *L, int n, struct buf *out) {
    char text[2 * MAX_STUB * sizeof ", u00" + 64];
    write_stub(text, n);
    bool ok = luaL_loadbufferx(L, text, strlen(text), "=stub", "t") == LUA_OK &&
              tine__dump_append(L, -1, true, out);
    lua_pop(L, 1);
    return ok;
}

/* Are the inner function's upvalues the stub's variables, in their order? */
static bool is_stub(const struct buf *stub, const struct dump_function *inner, int n) {
    const char *p = stub->data + inner->upvalues;
    if (inner->nups != (size_t)n)
        return false;
    for (int i = 0; i < n; i++, p += 3)
        if (p[0] != 1 || p[1] != i)
            return false;
    return true;
}

/* Find the main function of a stub, and the function inside of it. */
static bool find_inner(const struct buf *stub, struct dump_function *main,
                       struct dump_function *inner) {
    if (!tine__dump_main(stub->data, stub->len, main) || !main->child_end)
        return false;
    tine__dump_at(stub->data, stub->len, main->child_start, inner);
    return inner->end == main->child_end;
}

/* Paste the function `f` of `dump` into the stub. The caller frees *out, also on failure. */
static bool paste(const struct buf *stub, const char *dump, const struct dump_function *f,
                  struct buf *out) {
    struct dump_function main, inner;
    int n = (int)f->nups;
    if (!find_inner(stub, &main, &inner) || !is_stub(stub, &inner, n) ||
        memcmp(stub->data, dump, DUMP_HEADER) != 0)
        return false;
    size_t at = f->upvalues - f->start + inner.start;
    if (buf_append(out, stub->data, inner.start) ||
        buf_append(out, dump + f->start, f->end - f->start) ||
        buf_append(out, stub->data + inner.end, stub->len - inner.end))
        return false;
    for (size_t i = 0; i < (size_t)n; i++)
        memcpy(out->data + at + 3 * i, stub->data + inner.upvalues + 3 * i, 2);
    return true;
}

bool tine__push_maker(lua_State *L, const char *dump, size_t len) {
    struct dump_function f;
    struct buf stub, made;
    if (!tine__dump_main(dump, len, &f) || f.nups > MAX_STUB)
        return false;
    tine__buf_init(&stub);
    tine__buf_init(&made);
    bool ok = dump_stub(L, (int)f.nups, &stub) && paste(&stub, dump, &f, &made);
    if (ok && luaL_loadbufferx(L, made.data, made.len, "=(task)", "b") != LUA_OK) {
        lua_pop(L, 1);
        ok = false;
    }
    tine__buf_free(&stub);
    tine__buf_free(&made);
    return ok;
}
