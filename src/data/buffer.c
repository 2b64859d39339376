/* Buffers: bytes that all processes can read and write. */
#include <stdatomic.h>
#include <string.h>

#include "base/error.h"
#include "base/hot.h"
#include "data/internal.h"

static struct object *check(lua_State *L) {
    struct object *o = data_check(L, CLASS_BUFFER);
    if (unlikely(!o->region))
        luaL_error(L, "this buffer has been finalized");
    if (unlikely(!tine__region_is_ours(o->region)))
        atomic_load (&tine__data_forked)(L);
    return o;
}

/* --- positions --- */

static int outside(lua_State *L, int arg, const struct object *o) {
    return luaL_argerror(
        L, arg,
        lua_pushfstring(L, "outside of the buffer, which has %I bytes", (LUAI_UACINT)o->size));
}

/* The position at `arg`, counted from 0, of something of `size` bytes. In Lua it counts from 1, or,
** if negative, from the end. */
static uint64_t position(lua_State *L, const struct object *o, int arg, lua_Integer n,
                         uint64_t size) {
    uint64_t at = n > 0 ? (uint64_t)n - 1 : o->size - (0 - (uint64_t)n);
    if (unlikely(n == 0 || (n < 0 && 0 - (uint64_t)n > o->size) || at > o->size ||
                 size > o->size - at))
        outside(L, arg, o);
    return at;
}

/* The range between the positions at `arg` and `arg` + 1, by default the whole buffer: its start,
** counted from 0, and *size. */
static uint64_t range(lua_State *L, const struct object *o, int arg, uint64_t *size) {
    lua_Integer i = luaL_optinteger(L, arg, 1), j = luaL_optinteger(L, arg + 1, -1);
    lua_Integer n = (lua_Integer)o->size;
    i = i < 0 ? i + n + 1 : i;
    j = j < 0 ? j + n + 1 : j;
    if (i < 1 || i > n + 1)
        outside(L, arg, o);
    if (j < 0 || j > n)
        outside(L, arg + 1, o);
    *size = j < i ? 0 : (uint64_t)(j - i + 1);
    return (uint64_t)i - 1;
}

/* --- values --- */

/* Most formats have a single native value, and are handled here without string.pack. */
enum simple { NOT_SIMPLE, DOUBLE, FLOAT, I64, U32, I32, U16, I16, U8, I8 };
static const uint8_t simple_size[] = {0, 8, 4, 8, 4, 4, 2, 2, 1, 1};

static enum simple by_size(char kind, char digit) {
    bool sign = kind == 'i';
    switch (digit) {
    case '1':
        return sign ? I8 : U8;
    case '2':
        return sign ? I16 : U16;
    case '4':
        return sign ? I32 : U32;
    case '8':
        return I64;
    default:
        return NOT_SIMPLE;
    }
}

static bool is_native(char c) {
    return c == '=' || c == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '<' : '>');
}

static enum simple simple_of(const char *f, size_t len) {
    static const uint8_t of[256] = {
        ['d'] = DOUBLE, ['n'] = DOUBLE, ['f'] = FLOAT, ['j'] = I64, ['l'] = I64, ['i'] = I32,
        ['I'] = U32,    ['h'] = I16,    ['H'] = U16,   ['b'] = I8,  ['B'] = U8};
    if (len > 1 && is_native(f[0])) {
        f++;
        len--;
    }
    if (len == 1)
        return of[(unsigned char)f[0]];
    return len == 2 && (f[0] == 'i' || f[0] == 'I') ? by_size(f[0], f[1]) : NOT_SIMPLE;
}

#define PUSH(type, push, as) \
    { \
        type v; \
        memcpy(&v, p, sizeof v); \
        push(L, (as)v); \
        break; \
    }

static void push_simple(lua_State *L, enum simple kind, const char *p) {
    switch (kind) {
    case DOUBLE:
        PUSH(double, lua_pushnumber, lua_Number)
    case FLOAT:
        PUSH(float, lua_pushnumber, lua_Number)
    case I64:
        PUSH(int64_t, lua_pushinteger, lua_Integer)
    case U32:
        PUSH(uint32_t, lua_pushinteger, lua_Integer)
    case I32:
        PUSH(int32_t, lua_pushinteger, lua_Integer)
    case U16:
        PUSH(uint16_t, lua_pushinteger, lua_Integer)
    case I16:
        PUSH(int16_t, lua_pushinteger, lua_Integer)
    case U8:
        PUSH(uint8_t, lua_pushinteger, lua_Integer)
    default:
        PUSH(int8_t, lua_pushinteger, lua_Integer)
    }
}

/* buf:get(format [, offset]) -> values, offset behind them */
static int get(lua_State *L) {
    struct object *o = check(L);
    size_t len;
    const char *format = luaL_checklstring(L, 2, &len);
    lua_Integer n = lua_isnoneornil(L, 3) ? 1 : luaL_checkinteger(L, 3);
    enum simple kind = simple_of(format, len);
    uint64_t at = position(L, o, 3, n, simple_size[kind]);
    if (kind == NOT_SIMPLE)
        return tine__data_unpack(L, o, at);
    push_simple(L, kind, o->base + at);
    lua_pushinteger(L, (lua_Integer)(at + simple_size[kind] + 1));
    return 2;
}

static bool fits(lua_Integer v, enum simple kind) {
    switch (kind) {
    case U32:
        return v >= 0 && v <= UINT32_MAX;
    case I32:
        return v >= INT32_MIN && v <= INT32_MAX;
    case U16:
        return v >= 0 && v <= UINT16_MAX;
    case I16:
        return v >= INT16_MIN && v <= INT16_MAX;
    case U8:
        return v >= 0 && v <= UINT8_MAX;
    case I8:
        return v >= INT8_MIN && v <= INT8_MAX;
    default:
        return true;
    }
}

static void set_integer(lua_State *L, enum simple kind, char *p) {
    lua_Integer v = luaL_checkinteger(L, 4);
    luaL_argcheck(L, fits(v, kind), 4, "overflow of the format's size");
    memcpy(p, &v, simple_size[kind]); /* little endian, or as wide as the format */
}

/* buf:set(format, offset, ...) -> offset behind the values */
static int set(lua_State *L) {
    struct object *o = check(L);
    size_t len;
    const char *format = luaL_checklstring(L, 2, &len);
    enum simple kind =
        __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? simple_of(format, len) : NOT_SIMPLE;
    uint64_t at = position(L, o, 3, luaL_checkinteger(L, 3), simple_size[kind]);
    if (kind == NOT_SIMPLE) {
        lua_pushinteger(L, (lua_Integer)tine__data_pack(L, o, at) + 1);
        return 1;
    }
    if (kind == DOUBLE) {
        double v = luaL_checknumber(L, 4);
        memcpy(o->base + at, &v, sizeof v);
    } else if (kind == FLOAT) {
        float v = (float)luaL_checknumber(L, 4);
        memcpy(o->base + at, &v, sizeof v);
    } else {
        set_integer(L, kind, o->base + at);
    }
    lua_pushinteger(L, (lua_Integer)(at + simple_size[kind] + 1));
    return 1;
}

/* --- bytes --- */

/* buf:string([i [, j]]) */
static int string(lua_State *L) {
    const struct object *o = check(L);
    uint64_t size, at = range(L, o, 2, &size);
    lua_pushlstring(L, o->base + at, size);
    return 1;
}

/* buf:write(offset, text) -> offset behind the text */
static int write_text(lua_State *L) {
    struct object *o = check(L);
    size_t len;
    const char *text = luaL_checklstring(L, 3, &len);
    uint64_t at = position(L, o, 2, luaL_checkinteger(L, 2), len);
    memcpy(o->base + at, text, len);
    lua_pushinteger(L, (lua_Integer)(at + len + 1));
    return 1;
}

/* buf:fill(byte [, i [, j]]) */
static int fill(lua_State *L) {
    struct object *o = check(L);
    lua_Integer byte = luaL_checkinteger(L, 2);
    luaL_argcheck(L, byte >= 0 && byte <= 255, 2, "a byte is 0 to 255");
    uint64_t size, at = range(L, o, 3, &size);
    memset(o->base + at, (int)byte, size);
    return 0;
}

static int length(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check(L)->size);
    return 1;
}

/* --- atomic operations on 8 aligned bytes --- */

static _Atomic uint64_t *word(lua_State *L, struct object *o) {
    uint64_t at = position(L, o, 2, luaL_checkinteger(L, 2), 8);
    luaL_argcheck(L, at % 8 == 0, 2, "not aligned: it must be 1 modulo 8");
    return (_Atomic uint64_t *)(void *)(o->base + at);
}

/* buf:add(offset, n) -> the value before */
static int add(lua_State *L) {
    struct object *o = check(L);
    _Atomic uint64_t *w = word(L, o);
    lua_pushinteger(L, (lua_Integer)atomic_fetch_add(w, (uint64_t)luaL_checkinteger(L, 3)));
    return 1;
}

/* buf:compare(offset, expected, new) -> true; or false and the present value */
static int compare(lua_State *L) {
    struct object *o = check(L);
    _Atomic uint64_t *w = word(L, o);
    uint64_t expected = (uint64_t)luaL_checkinteger(L, 3);
    bool changed = atomic_compare_exchange_strong(w, &expected, (uint64_t)luaL_checkinteger(L, 4));
    lua_pushboolean(L, changed);
    if (changed)
        return 1;
    lua_pushinteger(L, (lua_Integer)expected);
    return 2;
}

/* --- the class --- */

static int to_text(lua_State *L) {
    const struct object *o = data_check(L, CLASS_BUFFER);
    lua_pushfstring(L, "tine.buffer (%I bytes): %p", (LUAI_UACINT)o->size, (const void *)o);
    return 1;
}

void tine__buffer_class(lua_State *L) {
    static const luaL_Reg functions[] = {{"get", get},
                                         {"set", set},
                                         {"string", string},
                                         {"write", write_text},
                                         {"fill", fill},
                                         {"add", add},
                                         {"compare", compare},
                                         {"__len", length},
                                         {"__tostring", to_text},
                                         {"__gc", tine__object_gc},
                                         {NULL, NULL}};
    tine__data_class(L, CLASS_BUFFER, functions);
}

/* --- making a buffer --- */

int tine__buffer_new(lua_State *L, uint64_t size) {
    struct region *r;
    int err = tine__region_new(&r, REGION_BUFFER, size);
    if (!err)
        tine__object_push(L, r, tine__buffer_class);
    return err;
}
