/* Changes: what the program has changed in modules and in Lua's standard libraries.
**
** In this folder "the program" is all Lua code that is not from the file of the module in question,
** or of one that is loaded with it. A name stands for an object in the receiver's own module
** (names/names.h), so what the program has put into the sender's module is sent with the name, as a
** list of changes. The receiver makes them for the time of the call (decode/apply.c).
**
** A change is an object, a path and a value. The object is a table or a function that has a name,
** or a standard library. The path is one of:
**
**     key               the field `key` of the table; a string or a positive integer
**     { step, key }     the field `key`, of any type, of the table in the table's field `step`;
**                       step false: of the table itself; true: of the metatable of strings
**     { step, key, n }  the same; the value is inserted into a list, of n items before
**     { step, key, m }  the same; the value is a setting of the module of name m (settings.h)
**     { name, -i }      upvalue i of the function, called `name`
**     true              the metatable of the table
**
** The value nil removes a field. The value false for an integer key says that a list of functions
** ends before that item.
*/
#ifndef TINE_CODEC_CHANGES_CHANGES_H
#define TINE_CODEC_CHANGES_CHANGES_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct encoder;
struct name;

/* Is the path at `path` that of a field with a string key? */
static inline bool change_is_field(lua_State *L, int path) {
    if (!lua_istable(L, path))
        return lua_type(L, path) == LUA_TSTRING;
    bool is = lua_rawgeti(L, path, 2) == LUA_TSTRING;
    lua_pop(L, 1);
    return is;
}

/* Push a list of the changes in the table at `t`, which has the name `n`, and in the tables in its
** fields: path and value in turn. Returns their number; 0: nothing is pushed. `reach` is the stack
** index of the reach for which the table is scanned (uses.h): the receiver loads these modules with
** it, and they may have put functions of theirs there; 0: not known. May raise memory errors. */
int tine__changes_of(struct encoder *e, int t, const struct name *n, int reach);
#endif
