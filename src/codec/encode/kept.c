/* Encoding of a table together with what modules keep about it (kept.h). */
#include <lua.h>
#include "base/error.h"
#include "codec/encode/encoder.h"
#include "codec/encode/kept.h"
#include "codec/encode/name.h"
#include "codec/encode/object.h"
#include "codec/encode/table.h"
#include "codec/encode/value.h"
#include "codec/names/names.h"
#include "codec/registry.h"
#include "codec/state.h"
#include "codec/wire.h"

/* Push keeper number `i` of names.kept; false, and nothing is pushed: it is not where it was. */
static bool push_keeper(struct encoder *e, unsigned i) {
    lua_State *L = e->L;
    const struct name *n = tine__name_at(e->c, e->c->names.kept[i]);
    if (!tine__name_walk(e, n))
        return false;
    if (lua_istable(L, -1) && lua_topointer(L, -1) == n->key)
        return true;
    lua_pop(L, 1);
    return false;
}

/* Push ST_KEPT, the list of the keepers that have entries, and set e->kept, if that was not done
** for this segment yet. */
static void push_keepers(struct encoder *e) {
    lua_State *L = e->L;
    int list = lua_gettop(L) + 1;
    if (e->kept_known) {
        lua_rawgeti(L, e->self, ST_KEPT);
        return;
    }
    lua_newtable(L);
    lua_pushvalue(L, list);
    lua_rawseti(L, e->self, ST_KEPT);
    e->kept = 0;
    e->kept_known = true;
    for (unsigned i = 0; i < e->c->names.nkept; i++, lua_settop(L, list)) {
        if (!push_keeper(e, i))
            continue;
        lua_pushnil(L);
        if (!lua_next(L, list + 1))
            continue;
        lua_settop(L, list + 1);
        lua_rawseti(L, list, (lua_Integer)i + 1);
        e->kept |= UINT64_C(1) << i;
    }
}

/* Push keeper number `i` of the list and what it keeps about the table at `t`; false, and nothing
** is pushed: there is nothing. The list may be another one than at first: an encode function that
** sends something makes a new one. */
static bool push_about(struct encoder *e, int t, int list, unsigned i) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (lua_rawgeti(L, list, (lua_Integer)i + 1) == LUA_TTABLE && i < e->c->names.nkept) {
        lua_pushvalue(L, t);
        if (lua_rawget(L, top + 1) != LUA_TNIL)
            return true;
    }
    lua_settop(L, top);
    return false;
}

/* Push what keepers have about the table at `t`, each value behind its keeper. Returns how many, or
** an error. */
static int push_kept(struct encoder *e, int t, int list) {
    lua_State *L = e->L;
    int count = 0;
    for (unsigned i = 0; i < KEPT_TABLES; i++) {
        int top = lua_gettop(L);
        if (!(e->kept >> i & 1) || !push_about(e, t, list, i))
            continue;
        int r = tine__name_consider(e, top + 1, tine__name_at(e->c, e->c->names.kept[i]));
        if (r < 0)
            return r;
        if (r == GOES_BY_VALUE)
            lua_settop(L, top);
        else
            count++;
    }
    return count;
}

/* Append the name of a keeper, which is at `at` - 1, and the value at `at`. If the value cannot be
** sent, it is left out, as the receiver's module may be able to find it out again; in place of the
** name is a text then, to be shown if the task fails. */
static int put_kept(struct encoder *e, int at, const struct step *up) {
    lua_State *L = e->L;
    struct encode_point point = tine__encode_mark(e);
    struct name *n;
    int r = tine__name_of(e, at - 1, &n); /* the index may have been made anew since push_kept */
    if (r <= 0 || r == GOES_BY_VALUE)
        return r < 0 ? r : ENCODE_AGAIN;
    int top = lua_gettop(L), err = tine__name_put(e, n);
    if (err < 0)
        return err;
    struct step step = {.up = up, .kind = STEP_KEPT, .n = n - e->c->names.list};
    err = tine__encode_value(e, at, &step);
    if (err == TINE_ESERIALIZE) {
        lua_settop(L, top);
        tine__encode_rewind(e, &point);
        if ((r = tine__name_of(e, at - 1, &n)) <= 0)
            return r < 0 ? r : ENCODE_AGAIN;
        tine__name_push(e, n);
        err = tine__encode_value(e, -1, up);
        if (!err)
            err = tine__encode_held(e, HELD_ADDED);
    }
    if (!err)
        lua_settop(L, top);
    return err;
}

/* Does the class of the table at `t` have an encode function, which decides what is sent? Or is the
** table a registered metatable, of which the receiver may have its own, with what its modules keep
** about that? */
static bool is_registered(struct encoder *e, int t) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool is = tine__class_of(e, t);
    if (!is && lua_getmetatable(L, t) && tine__class_of(e, top + 1))
        is = lua_rawgeti(L, top + 2, CLASS_ENCODE) != LUA_TNIL;
    lua_settop(L, top);
    return is;
}

bool tine__kept_has(struct encoder *e, int t) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    bool has = false;
    if (!lua_checkstack(L, STACK_ROOM))
        return false;
    push_keepers(e);
    for (unsigned i = 0; !has && i < KEPT_TABLES; i++) {
        has = e->kept >> i & 1 && push_about(e, t, top + 1, i);
        lua_settop(L, top + 1);
    }
    lua_settop(L, top);
    return has;
}

int tine__kept_encode(struct encoder *e, int t, const struct step *step) {
    lua_State *L = e->L;
    int top = lua_gettop(L);
    if (!lua_checkstack(L, STACK_ROOM + 2 * KEPT_TABLES))
        return tine__encode_nomem(e);
    push_keepers(e);
    int count = e->kept && !is_registered(e, t) ? push_kept(e, t, top + 1) : 0;
    if (count <= 0) {
        if (count == 0)
            lua_settop(L, top);
        return count;
    }
    if (++e->levels > MAX_LEVELS)
        return tine__encode_fail(e, step, "nested more than %d levels deep", MAX_LEVELS);
    int err = tine__encode_op(e, 2 + 2 * (unsigned)count, OP_KEPT);
    if (!err)
        err = tine__encode_by_value(e, t, step);
    for (int i = 0; !err && i < count; i++)
        err = put_kept(e, top + 3 + 2 * i, step);
    if (err)
        return err;
    e->levels--;
    lua_settop(L, top);
    return 1;
}
