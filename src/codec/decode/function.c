/* Decoding of functions: code, upvalues, and globals. */
#include <lua.h>
#include "codec/decode/environment.h"
#include "codec/decode/function.h"
#include "codec/decode/loaded.h"
#include "codec/decode/reader.h"
#include "codec/wire.h"

static void function_code(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    size_t len;
    if (lua_isinteger(L, -1)) {
        const struct loaded *code = tine__loaded(L, r->c, r->self, lua_tointeger(L, -1));
        f->m = code->nups;
        tine__loaded_push(L, r->c, r->self, code);
    } else if (lua_type(L, -1) == LUA_TSTRING) {
        const char *bytes = lua_tolstring(L, -1, &len);
        f->m = (uint32_t)tine__code_push_inline(L, bytes, len);
    } else {
        tine__malformed(r, "a function without code");
    }
    lua_replace(L, f->at);
    number_object(r, f - 1);
    uint32_t rest = f->n - 2 - f->m;
    if (f->n < 2 + f->m || (rest && rest % 2 == 0))
        tine__malformed(r, "a function with a wrong number of upvalues");
}

void tine__op_upref(struct reader *r, const unsigned char *p) {
    lua_State *L = r->L;
    struct frame *f = r->frame;
    int box = p[4];
    if (!in_upvalues(f) || !r->refs)
        tine__malformed(r, "an upvalue outside of a function");
    lua_rawgeti(L, r->refs, (lua_Integer)get_be32(p) + 1);
    if (!lua_isfunction(L, -1) || lua_iscfunction(L, -1) || !lua_upvalueid(L, -1, box))
        tine__malformed(r, "a reference to an upvalue that is not there");
    lua_upvaluejoin(L, f->at, (int)f->i - 1, -1, box);
    lua_pop(L, 1);
    r->handled = true;
}

void tine__function_item(struct reader *r, struct frame *f) {
    if (f->i == 1) {
        function_code(r, f);
    } else if (!in_upvalues(f)) {
        tine__global_item(r, f);
    } else if (r->handled) {
        r->handled = false;
    } else {
        tine__set_upvalue(r, f);
    }
}
