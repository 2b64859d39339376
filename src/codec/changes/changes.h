/* What the program has changed in modules, and in Lua's own libraries. */
#ifndef TINE_CODEC_CHANGES_CHANGES_H
#define TINE_CODEC_CHANGES_CHANGES_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct encoder;
struct name;

/* The path of a change, a key or a list of what leads to it, is at `path`: is that a field, by its name, of the module or of
** something in it? */
static inline bool change_is_field(lua_State *L, int path) {
    if (!lua_istable(L, path))
        return lua_type(L, path) == LUA_TSTRING;
    bool is = lua_rawgeti(L, path, 2) == LUA_TSTRING;
    lua_pop(L, 1);
    return is;
}

/* Push a list of what the program has changed in the table at `t`, which goes by the name `n`: paths and values, in
** turn. How many; 0, and nothing pushed; or an error. `reach`: the modules that the other side loads with what the table
** is looked at for, whose functions they may have put there themselves (as names in a table; 0: who knows). */
int tine__changes_of(struct encoder *e, int t, const struct name *n, int reach);
#endif
