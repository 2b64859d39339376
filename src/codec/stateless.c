/* Functions without state: no upvalue, or none but _ENV.
**
** Most tasks are such functions, and most functions are sent many times. Their segment is always the
** same few bytes,
**
**     [FUNCTION, code]   or   [FUNCTION, code, the globals table]
**
** so what encodes and decodes anything is not needed for them.
**
** The sender recognizes them by address. It keeps those alive that it sent twice of late, a few of them, so
** that an address is never another function's. Those that _ENV belongs to are looked at each time:
** it must be the globals table still.
**
** The receiver makes one closure and calls it again and again. Without upvalues nobody can tell. The
** one upvalue _ENV, which a call may assign, must be the globals table still when the next one comes;
** else the closure is left to whoever has it, and this code gets closures of its own for each call
** from then on. Functions inside of the function share its _ENV and may outlive the call, so a later
** assignment would reach them: a function that has any is not called again.
*/
#include "codec/dump.h"
#include "codec/internal.h"
#include "codec/pack.h"

/* ---- the segment ---- */

#define BODY_MAX 12 /* array 1, operation 3, id 5, environment 3 */

/* Read a uint of at most 32 bits; its length, 0 when it is none. */
static size_t read_id(const unsigned char *p, size_t n, uint32_t *id) {
    if (p[0] < 0x80) {
        *id = p[0];
        return 1;
    }
    size_t width = p[0] == 0xcc ? 1 : p[0] == 0xcd ? 2 : p[0] == 0xce ? 4 : 0;
    if (width == 0 || n < 1 + width)
        return 0;
    *id = 0;
    for (size_t i = 1; i <= width; i++)
        *id = *id << 8 | p[i];
    return 1 + width;
}

/* The code of a function segment that is like those above; NULL: it is another one. */
static struct code *code_of(const struct codec *c, const char *segment, size_t len) {
    static const unsigned char op[] = {0xd4, EXT_OP, OP_FUNCTION}, env[] = {0xd4, EXT_ENV};
    const unsigned char *p = (const unsigned char *)segment + SEGMENT_HEAD;
    uint32_t id;
    if (len < SEGMENT_HEAD + 5 || len > SEGMENT_HEAD + BODY_MAX ||
        get_le32(segment) != len - SEGMENT_HEAD || get_le32(segment + 4) != 0 ||
        memcmp(p + 1, op, sizeof op) != 0)
        return NULL;
    size_t at = 4 + read_id(p + 4, len - SEGMENT_HEAD - 4, &id);
    size_t rest = len - SEGMENT_HEAD - at;
    if (at == 4 || id >= c->by_id_len || !c->by_id[id])
        return NULL;
    bool good = p[0] == 0x92 ? rest == 0 && c->by_id[id]->nups == 0
                             : p[0] == 0x93 && rest == 3 && c->by_id[id]->nups == 1 &&
                                   memcmp(p + at, env, sizeof env) == 0;
    return good ? c->by_id[id] : NULL;
}

/* Is the only upvalue of the function at `fn`, if it has one, the globals table? */
static bool has_globals(lua_State *L, const struct codec *c, const struct code *code, int fn) {
    if (code->nups == 0)
        return true;
    if (!lua_checkstack(L, 1) || !lua_getupvalue(L, fn, 1))
        return false;
    bool is = lua_topointer(L, -1) == c->globals;
    lua_pop(L, 1);
    return is;
}

/* ---- sending ---- */

static uint32_t slot_of(const void *fn) {
    return (uint32_t)((uintptr_t)fn >> 5) % SENT_SLOTS;
}

void tine__stateless_note(lua_State *L, struct codec *c, int fn, const char *segment, size_t len) {
    struct code *code = code_of(c, segment, len);
    if (!code || lua_type(L, fn) != LUA_TFUNCTION)
        return;
    const void *p = lua_topointer(L, fn);
    uint32_t i = slot_of(p);
    struct sent *s = &c->sent[i];
    bool again = s->fn == p;
    *s = (struct sent){.fn = p};
    if (!again || tine__name_known(c, p))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_SENT);
    lua_pushvalue(L, fn);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    lua_pop(L, 2);
    s->code = code;
}

const struct code *tine__stateless_encode(lua_State *L, struct codec *c, int fn, struct buf *out) {
    const void *p = lua_topointer(L, fn);
    const struct sent *s = &c->sent[slot_of(p)];
    const struct code *code = s->code;
    if (s->fn != p || !code || lua_type(L, fn) != LUA_TFUNCTION || !has_globals(L, c, code, fn) ||
        buf_reserve(out, SEGMENT_HEAD + BODY_MAX + PACK_MAX))
        return NULL;
    size_t start = out->len;
    out->len += SEGMENT_HEAD;
    pack_array(out, 2u + code->nups);
    pack_bytes(out, (unsigned char[]){0xd4, EXT_OP, OP_FUNCTION}, 3);
    pack_uint32(out, code->id);
    if (code->nups)
        pack_bytes(out, (unsigned char[]){0xd4, EXT_ENV, 1}, 3);
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
    c->last = s;
    return code;
}

void tine__stateless_push_last(lua_State *L, const struct codec *c) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_rawgeti(L, -1, ST_SENT);
    lua_rawgeti(L, -1, (lua_Integer)(c->last - c->sent) + 1);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* ---- receiving ---- */

bool tine__stateless_code(const struct code *code, const char *dump, size_t len) {
    struct dump_function f;
    return code->nups == 0 || (code->nups == 1 && tine__dump_main(dump, len, &f) && !f.child_end);
}

/* Push the closure of `code`, kept from now on. */
static void make_closure(lua_State *L, struct codec *c, struct code *code) {
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    tine__code_push(L, c, lua_gettop(L), code);
    lua_replace(L, -2);
    if (code->nups) {
        lua_pushglobaltable(L);
        lua_setupvalue(L, -2, 1);
    }
    lua_pushvalue(L, -1);
    code->closure = luaL_ref(L, LUA_REGISTRYINDEX);
}

bool tine__stateless_push(lua_State *L, struct codec *c, const char *segment, size_t len,
                          bool make) {
    struct code *code = code_of(c, segment, len);
    if (!code || !code->stateless || !lua_checkstack(L, 20))
        return false;
    if (unlikely(!code->closure)) {
        if (make)
            make_closure(L, c, code);
        return make;
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, code->closure);
    if (likely(has_globals(L, c, code, -1)))
        return true;
    lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, code->closure);
    code->closure = 0;
    code->stateless = false;
    return false;
}
