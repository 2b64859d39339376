/* The list of what a scan has found: paths and values (scan.h). */
#include <lua.h>
#include "codec/changes/scan.h"
#include "codec/encode/encoder.h"

void tine__scan_add_at(struct scan *s) {
    lua_State *L = s->e->L;
    lua_Integer at = 2 * (lua_Integer)s->count++;
    lua_rawseti(L, s->list, at + 2);
    lua_rawseti(L, s->list, at + 1);
}

void tine__scan_push_path(struct scan *s, int prefix) {
    lua_State *L = s->e->L;
    lua_createtable(L, 3, 0);
    if (prefix)
        lua_pushvalue(L, prefix);
    else
        lua_pushboolean(L, false);
    lua_rawseti(L, -2, 1);
    lua_insert(L, -2);
    lua_rawseti(L, -2, 2);
}

void tine__scan_add(struct scan *s, int prefix, int key) {
    lua_State *L = s->e->L;
    lua_pushvalue(L, key);
    if (prefix)
        tine__scan_push_path(s, prefix);
    lua_pushvalue(L, -2);
    tine__scan_add_at(s);
}

void tine__scan_open(struct scan *s) {
    lua_State *L = s->e->L;
    lua_newtable(L);
    s->list = lua_gettop(L);
    lua_newtable(L);
    s->seen = s->list + 1;
}
