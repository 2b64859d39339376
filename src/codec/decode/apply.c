/* Changes: what the program has changed in modules is applied for one call, before it begins, and
** undone after it.
**
** A change consists of a table (or the name of one of Lua's libraries), a path and a value. The
** path is
**
**     key                        a field of the table
**     {step, key}                a field of the table that is under the key `step`; of the table
**                                itself, if `step` is false; of the metatable of strings, if true
**     {step, key, length}        the same, to be inserted into a list, which had `length` items at
**                                the sender (without this one and those that are inserted after it)
**     {step, key, module}        the same, and the value is a setting (changes/settings.c) of the
**                                module with this name
**     {name, -i}                 upvalue `i` of a function, which takes the table's place
**     true                       the metatable of the table
**
** The value `true` or `false` under an integer key means that a list of functions ends before that
** key.
*/
#include <lauxlib.h>
#include "base/hot.h"
#include "codec/codec.h"
#include "codec/decode/apply.h"
#include "codec/decode/reader.h"
#include "codec/decode/resolve.h"
#include "codec/decode/twin.h"
#include "codec/files/files.h"
#include "codec/files/record.h"
#include "codec/lua/standard.h"
#include "codec/state.h"

/* Items of ST_UNDO for each change: object, key, old value; and for items of lists and for settings
** the new value, else nil. */
#define UNDO 4

static const char metatable_key; /* an address that stands for the metatable in place of a key */

/* Note that the object at `t` had the value on top, which is popped, under the key at `key`, so
** that it is reset after the call. `put`: 0; or the stack index of the new value, if the old one is
** only to replace that: for an item of a list, which may move, and for a setting. */
static void note(struct reader *r, int t, int key, int put) {
    lua_State *L = r->L;
    int value = lua_gettop(L);
    lua_Integer n = UNDO * (lua_Integer)r->c->changed++;
    lua_rawgeti(L, r->self, ST_UNDO);
    lua_insert(L, value);
    lua_rawseti(L, value, n + 3);
    lua_pushvalue(L, key);
    lua_rawseti(L, value, n + 2);
    lua_pushvalue(L, t);
    lua_rawseti(L, value, n + 1);
    if (put)
        lua_pushvalue(L, put);
    else
        lua_pushnil(L);
    lua_rawseti(L, value, n + 4);
    lua_settop(L, value - 1);
}

/* Is the key at `key` that of an item of the list at `t`, whose value is on top, or of a new last
** item (the value is nil)? */
static bool is_item(lua_State *L, int t, int key) {
    if (!lua_isinteger(L, key))
        return false;
    lua_Integer i = lua_tointeger(L, key), n = (lua_Integer)lua_rawlen(L, t);
    return lua_isnil(L, -1) ? i == n + 1 : i > 0 && i <= n;
}

/* Set field `key` of the table at `t` to the value on top, which is popped. Notes the old value. */
static void change(struct reader *r, int t, int key) {
    lua_State *L = r->L;
    int value = lua_gettop(L);
    lua_pushvalue(L, key);
    lua_rawget(L, t);
    note(r, t, key, is_item(L, t, key) ? value : 0);
    lua_pushvalue(L, key);
    lua_pushvalue(L, value);
    lua_rawset(L, t);
    lua_settop(L, value - 1);
}

/* Replace the table at `t` by the one that the step at stack index `step`, on top, leads to. If
** there is none it is made for the call. */
static void enter(struct reader *r, int t, int step) {
    lua_State *L = r->L;
    if (lua_isboolean(L, step) && !lua_toboolean(L, step))
        return; /* the field is in the table itself */
    if (lua_isboolean(L, step)) {
        lua_pushliteral(L, "");
        if (lua_getmetatable(L, -1))
            lua_replace(L, t);
        lua_settop(L, step);
        return;
    }
    lua_pushvalue(L, step);
    if (lua_rawget(L, t) != LUA_TTABLE) {
        lua_newtable(L);
        lua_pushvalue(L, -1);
        change(r, t, step);
    }
    lua_replace(L, t);
    lua_settop(L, step);
}

/* Has this process replaced Lua's own function in this field of the library? Then its replacement,
** which is on top, stays. */
static bool is_own(lua_State *L, int library, int key) {
    const char *field = lua_type(L, key) == LUA_TSTRING ? lua_tostring(L, key) : NULL;
    const struct standard *s =
        field && library ? tine__standard_named(lua_tostring(L, library), field) : NULL;
    return s && lua_tocfunction(L, -1) != s->f;
}

/* Push the list of the message's pending changes: table, path and value of each. It is the user
** value of the decoder, which is above the state table: a message that is decoded in the midst of
** another one has a decoder of its own. */
static void push_pending(const struct reader *r) {
    lua_State *L = r->L;
    if (lua_getiuservalue(L, r->self + 1, 1) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, r->self + 1, 1);
}

/* The change waits until the message is read: until then, names must lead to what this process has
** itself. */
void tine__await_change(struct reader *r) {
    lua_State *L = r->L;
    int t = lua_gettop(L) - 2;
    luaL_checkstack(L, 20, "changes");
    if (!r->call)
        tine__malformed(r, "a change outside of a call");
    push_pending(r);
    for (int i = 0; i < 3; i++) {
        lua_pushvalue(L, t + i);
        lua_rawseti(L, -2, 3 * (lua_Integer)r->pending + i + 1);
    }
    r->pending++;
    lua_settop(L, t - 1);
}

/* If the list at `t` is too short for the key at `key`, use the key behind its last item. */
static void close_up(lua_State *L, int t, int key) {
    lua_Integer end = (lua_Integer)lua_rawlen(L, t) + 1;
    if (!lua_isinteger(L, key) || lua_tointeger(L, key) <= end)
        return;
    lua_pushinteger(L, end);
    lua_replace(L, key);
}

/* Does the list at `t` have a twin of the value at `value` as item `at`? */
static bool is_there(lua_State *L, int t, lua_Integer at, int value) {
    lua_rawgeti(L, t, at);
    bool is = tine__is_twin(L, value, lua_gettop(L));
    lua_pop(L, 1);
    return is;
}

/* Insert the value at `value` into the list at `t`, in front of the item with the key at `key`, for
** the call. `len`: how many other items the list had at the sender. False: the value belongs behind
** them all, or in the place of its twin. */
static bool insert(struct reader *r, int t, int key, int value, lua_Integer len) {
    lua_State *L = r->L;
    lua_Integer at = lua_isinteger(L, key) ? lua_tointeger(L, key) : 0,
                n = (lua_Integer)lua_rawlen(L, t);
    if (at < 1 || at > len || (n > len && is_there(L, t, at, value)))
        return false;
    for (lua_Integer i = n; i >= at; i--) {
        lua_rawgeti(L, t, i);
        lua_rawseti(L, t, i + 1);
    }
    lua_pushnil(L);
    note(r, t, key, value);
    lua_pushvalue(L, value);
    lua_rawseti(L, t, at);
    return true;
}

/* The length in the path at `path`; -1: it has none. */
static lua_Integer length_before(lua_State *L, int path) {
    lua_Integer len = -1;
    if (lua_istable(L, path)) {
        lua_rawgeti(L, path, 3);
        if (lua_isinteger(L, -1))
            len = lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    return len;
}

/* Replace the table (or name of a library) at `t` by the table that has the field, and the path
** behind it by the key. False: there is no such table, or the key is not valid. */
static bool find_place(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, top = lua_gettop(L);
    if (lua_type(L, t) == LUA_TSTRING) {
        (void)tine__push_module(L, t);
        lua_replace(L, t);
        lua_settop(L, top);
    }
    if (lua_istable(L, t) && lua_istable(L, path)) {
        lua_rawgeti(L, path, 1);
        enter(r, t, top + 1);
        lua_rawgeti(L, path, 2);
        lua_replace(L, path);
    }
    lua_settop(L, top);
    return lua_istable(L, t) && !lua_isnil(L, path) &&
           !(lua_type(L, path) == LUA_TNUMBER && lua_tonumber(L, path) != lua_tonumber(L, path));
}

/* Make a list of functions end before item `key` for the call. */
static void end_list(struct reader *r, int t, int key) {
    lua_State *L = r->L;
    int top = lua_gettop(L);
    for (lua_Integer i = lua_tointeger(L, key); lua_rawgeti(L, t, i) == LUA_TFUNCTION; i++) {
        lua_pushinteger(L, i);
        lua_pushnil(L);
        change(r, t, lua_gettop(L) - 1);
        lua_settop(L, top);
    }
    lua_settop(L, top);
}

/* Set an upvalue of the function at `t`. Other functions that share it see the value, too. */
static void apply_upvalue(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, value = t + 2;
    if (lua_istable(L, path))
        lua_rawgeti(L, path, 2);
    lua_Integer i = lua_isinteger(L, -1) ? -lua_tointeger(L, -1) : 0;
    if (lua_gettop(L) > value && !lua_iscfunction(L, t) && i > 0 && i <= UINT8_MAX &&
        lua_getupvalue(L, t, (int)i) && !lua_rawequal(L, -1, value)) {
        note(r, t, value + 1, 0);
        lua_pushvalue(L, value);
        lua_setupvalue(L, t, (int)i);
    }
    lua_settop(L, t - 1);
}

/* Set the metatable of the table at `t`. */
static void apply_metatable(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, value = t + 2;
    if (lua_istable(L, value)) {
        lua_pushlightuserdata(L, (void *)&metatable_key);
        lua_replace(L, path);
        if (!lua_getmetatable(L, t))
            lua_pushnil(L);
        note(r, t, path, 0);
        lua_pushvalue(L, value);
        lua_setmetatable(L, t);
    }
    lua_settop(L, t - 1);
}

/* Is the value on top nil, or one that the file of the module named at `module` stores under the
** key at `key`? */
static bool is_files(struct reader *r, int module, int key) {
    lua_State *L = r->L;
    int type = lua_type(L, -1);
    const struct file *f = tine__file_of(L, r->c, r->self, lua_tostring(L, module));
    if (!f || !f->lua || lua_type(L, key) != LUA_TSTRING)
        return false;
    return type == LUA_TNIL ||
           ((type == LUA_TSTRING || type == LUA_TNUMBER || type == LUA_TBOOLEAN) &&
            tine__file_sets(f, lua_tostring(L, key), tine__scalar_hash(L, -1)));
}

/* Set a setting of the module that the path names, in the table at `t` or in one in that. If this
** process has another value there than the module's file (from an initializer, for instance), that
** stays. If the call prepares this process for others, nothing is set. */
static void apply_setting(struct reader *r, int t) {
    lua_State *L = r->L;
    int path = t + 1, value = t + 2, module = value + 1, key = value + 2;
    lua_rawgeti(L, path, 2);
    lua_rawgeti(L, path, 1);
    if (lua_toboolean(L, -1)) {
        lua_rawget(L, t);
        lua_replace(L, t);
    }
    if (r->c->prepares || !lua_istable(L, t))
        return lua_settop(L, t - 1);
    lua_settop(L, key);
    lua_pushvalue(L, key);
    lua_rawget(L, t);
    if (is_files(r, module, key)) {
        note(r, t, key, value);
        lua_pushvalue(L, value);
        lua_rawset(L, t);
    }
    lua_settop(L, t - 1);
}

/* If the path at `path` is that of a setting, push the module's name. Else false, and nothing is
** pushed. */
static bool push_settings_module(lua_State *L, int path) {
    if (!lua_istable(L, path))
        return false;
    if (lua_rawgeti(L, path, 3) == LUA_TSTRING)
        return true;
    lua_pop(L, 1);
    return false;
}

/* Apply the change whose table, path and value are on top, and popped. `keys`: see
** tine__push_twin. */
static void apply(struct reader *r, int keys) {
    lua_State *L = r->L;
    int t = lua_gettop(L) - 2, path = t + 1, value = t + 2;
    if (lua_isfunction(L, t))
        return apply_upvalue(r, t);
    if (lua_istable(L, t) && lua_isboolean(L, path))
        return apply_metatable(r, t);
    if (lua_istable(L, t) && push_settings_module(L, path))
        return apply_setting(r, t);
    lua_pushvalue(L, t); /* it may be a library's name */
    int library = lua_type(L, t) == LUA_TSTRING && !lua_istable(L, path) ? value + 1 : 0;
    lua_Integer len = length_before(L, path);
    if (!find_place(r, t))
        return lua_settop(L, t - 1);
    bool end = !library && lua_isinteger(L, path) && lua_isboolean(L, value);
    if (end)
        end_list(r, t, path);
    if (len >= 0)
        close_up(L, t, path);
    lua_pushvalue(L, path);
    lua_rawget(L, t);
    if (!end && !insert(r, t, path, value, len) && !lua_rawequal(L, -1, value) &&
        !is_own(L, library, path)) {
        if (tine__push_twin(L, t, path, keys)) {
            lua_pushnil(L);
            change(r, t, lua_gettop(L) - 1);
        }
        lua_pushvalue(L, value);
        change(r, t, path);
    }
    lua_settop(L, t - 1);
}

void tine__apply_changes(struct reader *r) {
    lua_State *L = r->L;
    luaL_checkstack(L, 30, "changes");
    if (!r->pending)
        return;
    lua_newtable(L);
    int keys = lua_gettop(L), list = keys + 1;
    for (uint32_t n = 0; n < r->pending; n++) {
        push_pending(r);
        for (int i = 1; i <= 3; i++) {
            lua_rawgeti(L, list, 3 * (lua_Integer)n + i);
            lua_pushnil(L);
            lua_rawseti(L, list, 3 * (lua_Integer)n + i);
        }
        apply(r, keys);
        lua_settop(L, keys);
    }
    lua_pop(L, 1);
    r->pending = 0;
}

/* Is item `i` of the list at stack index 3 the value that was put there, at 6? */
static bool is_put(lua_State *L, lua_Integer i) {
    lua_rawgeti(L, 3, i);
    bool is = lua_rawequal(L, -1, 6);
    lua_pop(L, 1);
    return is;
}

/* Reset a setting, unless the task has set it. */
static void restore_setting(lua_State *L) {
    lua_pushvalue(L, 4);
    lua_rawget(L, 3);
    bool same = lua_rawequal(L, -1, 6);
    lua_settop(L, 5);
    if (same)
        lua_rawset(L, 3);
}

/* The index of the item that was put into the list: the key at 4, or another one if it has moved.
** 0: it is not there any more. */
static lua_Integer find_item(lua_State *L) {
    lua_Integer i = lua_tointeger(L, 4);
    if (is_put(L, i))
        return i;
    for (i = (lua_Integer)lua_rawlen(L, 3); i > 0 && !is_put(L, i); i--)
        ;
    return i;
}

/* Remove the item from the list, or replace it by the old item. What the task has put into the list
** stays there. */
static void restore_item(lua_State *L) {
    lua_Integer i = find_item(L), n = (lua_Integer)lua_rawlen(L, 3);
    if (!i)
        return;
    for (; lua_isnil(L, 5) && i < n; i++) {
        lua_rawgeti(L, 3, i + 1);
        lua_rawseti(L, 3, i);
    }
    lua_pushvalue(L, 5);
    lua_rawseti(L, 3, i);
}

/* Reset a field, a metatable or an upvalue. */
static void restore_field(lua_State *L) {
    if (lua_isfunction(L, 3))
        lua_setupvalue(L, 3, -(int)lua_tointeger(L, 4));
    else if (lua_touserdata(L, 4) == &metatable_key)
        lua_setmetatable(L, 3);
    else
        lua_rawset(L, 3);
}

/* Undo all changes, the last one first. Arguments: ST_UNDO, and how many changes there are. Each
** change is at stack indices 3 to 6: object, key, old value, new value. */
static int restore(lua_State *L) {
    for (lua_Integer n = lua_tointeger(L, 2) - 1; n >= 0; n--) {
        for (int i = 1; i <= UNDO; i++)
            lua_rawgeti(L, 1, UNDO * n + i);
        if (lua_isnil(L, 2 + UNDO)) {
            lua_pop(L, 1);
            restore_field(L);
        } else if (lua_type(L, 4) == LUA_TSTRING) {
            restore_setting(L);
        } else {
            restore_item(L);
        }
        lua_settop(L, 2);
    }
    return 0;
}

void tine__codec_restore(lua_State *L, struct codec *c) {
    if (likely(!c->changed) || !lua_checkstack(L, 20))
        return;
    lua_rawgeti(L, LUA_REGISTRYINDEX, c->ref);
    lua_pushcfunction(L, restore);
    lua_rawgeti(L, -2, ST_UNDO);
    lua_pushinteger(L, c->changed);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK)
        lua_pop(L, 1); /* no memory */
    lua_pop(L, 1);
    c->changed = 0;
}
