/* Decoding of values of registered classes, their metatables, and notes. */
#include <lauxlib.h>
#include <lua.h>
#include "codec/decode/environment.h"
#include "codec/decode/object.h"
#include "codec/decode/reader.h"
#include "codec/registry.h"

/* Push the record of the class with the name at `name`. False, and nothing is pushed: it is not
** registered here. */
static bool find_class(lua_State *L, int name) {
    if (!tine__classes_push(L))
        return false;
    lua_pushvalue(L, name);
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 2);
    return false;
}

/* The stack has: name, decode function, plain value. */
void tine__object_end(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (find_class(L, f->at)) { /* this process's own decode function is used */
        if (lua_rawgeti(L, -1, CLASS_DECODE) == LUA_TFUNCTION)
            lua_replace(L, f->at + 1);
        lua_settop(L, f->at + 2);
    }
    lua_pushvalue(L, f->at + 1);
    lua_pushvalue(L, f->at + 2);
    int status = lua_pcall(L, 1, 1, 0);
    if (status == LUA_ERRMEM)
        lua_error(L);
    if (status != LUA_OK)
        luaL_error(L, "the decode function of class '%s' failed: %s", lua_tostring(L, f->at),
                   tine__push_text(L));
    lua_replace(L, f->at);
    lua_settop(L, f->at);
    if (f->marked) {
        lua_pushvalue(L, -1);
        lua_rawseti(L, r->refs, (lua_Integer)f->m + 1);
    }
}

void tine__class_item(struct reader *r, struct frame *f) {
    lua_State *L = r->L;
    if (f->i == 1) {
        string_item(r);
        f->m = find_class(L, f->at);
        if (f->m) {
            lua_rawgeti(L, -1, CLASS_METATABLE);
            lua_replace(L, f->at);
            lua_settop(L, f->at);
        }
    } else if (!r->note && !lua_istable(L, -1)) {
        tine__malformed(r, "a class that is no table");
    } else if (r->note && !f->m) {
        luaL_error(L, "class '%s' is not registered in this process, and it cannot travel: %s",
                   lua_tostring(L, f->at), lua_tostring(L, -1));
    }
}

/* The stack has: this process's own metatable or the class's name, and the table that has come. */
void tine__class_end(struct reader *r, struct frame *f) {
    r->note = false;
    if (!f->m)
        lua_replace(r->L, f->at);
    lua_settop(r->L, f->at);
}

void tine__note_end(struct reader *r, struct frame *f) {
    string_item(r);
    if (f[-1].kind == FRAME_CLASS)
        number_object(r, f - 1);
    else if (!in_global(f - 1))
        tine__malformed(r, "a note in a wrong place");
    r->note = true;
}
