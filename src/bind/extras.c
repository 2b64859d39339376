/* Extras: what few futures have. User value FUTURE_EXTRAS is the simplest value that can hold it:
** nil, a label, one watch, or a table {label=, watches={...}, callbacks={...}, next=, events=,
** ...}.
*/
#include <assert.h>
#include "bind/callbacks.h"
#include "bind/extras.h"
#include "bind/progress.h"
#include "bind/watch.h"
#include "msg/progress.h"

/* Turn the extras into a table. Allocating it may run finalizers that do the same (reaping keeps
** attempts there): an existing table is not replaced. */
static void make_table(lua_State *L, struct future *f, int idx) {
    lua_createtable(L, 0, 4);
    lua_createtable(L, 1, 0); /* the list for a watch */
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    if (f->extras == EXTRA_TABLE) {
        lua_replace(L, -3);
        lua_pop(L, 1);
        return;
    }
    if (f->extras == EXTRA_LABEL) {
        lua_setfield(L, -3, "label");
        lua_pop(L, 1);
    } else if (f->extras == EXTRA_WATCH) {
        lua_rawseti(L, -2, 1);
        lua_setfield(L, -2, "watches");
    } else {
        lua_pop(L, 2);
    }
    f->extras = EXTRA_TABLE;
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, idx, FUTURE_EXTRAS);
}

void tine__extras_push(lua_State *L, struct future *f, int idx) {
    idx = lua_absindex(L, idx);
    if (f->extras == EXTRA_TABLE)
        lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    else
        make_table(L, f, idx);
}

/* Push list `field` of the table on top, making it if needed. Allocating it may run finalizers that
** do the same. */
static void push_list(lua_State *L, const char *field) {
    if (lua_getfield(L, -1, field) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 1, 0);
    if (lua_getfield(L, -2, field) == LUA_TTABLE) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, field);
}

bool tine__extras_add(lua_State *L, struct future *f, int idx, const char *field, int what) {
    bool done = f->done;
    what = lua_absindex(L, what);
    tine__extras_push(L, f, idx);
    push_list(L, field);
    bool same = f->done == done; /* no finalizer runs from here on */
    if (same) {
        lua_pushvalue(L, what);
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    }
    lua_pop(L, 2);
    return same;
}

bool tine__extras_are_idle(lua_State *L, struct future *f, int idx) {
    static const char *const busy[] = {"callbacks", "gives", "watches", "when", "handle", NULL};
    bool idle = f->extras != EXTRA_WATCH;
    if (f->extras != EXTRA_TABLE)
        return idle;
    tine__extras_push(L, f, idx);
    for (int i = 0; busy[i]; i++) {
        idle &= lua_getfield(L, -1, busy[i]) == LUA_TNIL;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return idle;
}

void tine__extras_set_label(lua_State *L, struct future *f, int idx, int label) {
    idx = lua_absindex(L, idx);
    lua_pushvalue(L, label);
    lua_setiuservalue(L, idx, FUTURE_EXTRAS);
    f->extras = EXTRA_LABEL;
}

/* The label may be that of a view, which is kept for a chain. */
static const char *label_on_top(lua_State *L, size_t *len) {
    const struct view *v = lua_touserdata(L, -1);
    if (!v)
        return lua_tolstring(L, -1, len);
    *len = v->label_len;
    return v->label;
}

const char *tine__extras_label(lua_State *L, const struct future *f, int idx, size_t *len) {
    if (f->extras != EXTRA_LABEL && f->extras != EXTRA_TABLE)
        return NULL;
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    if (f->extras == EXTRA_TABLE) {
        lua_getfield(L, -1, "label");
        lua_remove(L, -2);
    }
    const char *label = label_on_top(L, len);
    lua_pop(L, 1);
    return label;
}

bool tine__extras_watch(lua_State *L, struct future *f, int idx, int watch) {
    idx = lua_absindex(L, idx);
    watch = lua_absindex(L, watch);
    f->watched = true;
    if (f->anchor.weak)
        tine__anchor_strengthen(L, &f->anchor, idx);
    if (f->extras == EXTRA_NONE) {
        lua_pushvalue(L, watch);
        lua_setiuservalue(L, idx, FUTURE_EXTRAS);
        f->extras = EXTRA_WATCH;
        return true;
    }
    return tine__extras_add(L, f, idx, "watches", watch);
}

/* Remove the value at `what` from the list on top. */
static void remove_from_list(lua_State *L, int what) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1), kept = 0;
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        if (lua_rawequal(L, -1, what))
            lua_pop(L, 1);
        else
            lua_rawseti(L, -2, ++kept);
    }
    for (lua_Integer i = kept + 1; i <= n; i++) {
        lua_pushnil(L);
        lua_rawseti(L, -2, i);
    }
}

void tine__extras_unwatch(lua_State *L, struct future *f, int idx, int watch) {
    idx = lua_absindex(L, idx);
    watch = lua_absindex(L, watch);
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    if (f->extras == EXTRA_WATCH && lua_rawequal(L, -1, watch)) {
        lua_pushnil(L);
        lua_setiuservalue(L, idx, FUTURE_EXTRAS);
        f->extras = EXTRA_NONE;
    } else if (f->extras == EXTRA_TABLE) {
        if (lua_getfield(L, -1, "watches") == LUA_TTABLE)
            remove_from_list(L, watch);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void tell_watches(lua_State *L, struct future *f, int idx) {
    if (lua_getfield(L, -1, "watches") == LUA_TTABLE) {
        int list = lua_gettop(L);
        lua_Integer n = (lua_Integer)lua_rawlen(L, list);
        for (lua_Integer i = 1; i <= n; i++) {
            lua_rawgeti(L, list, i);
            tine__watch_tell(L, lua_gettop(L), f, idx);
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

bool tine__extras_keep_progress(lua_State *L, struct future *f, int idx) {
    const struct progress *told = item_told(f->anchor.item);
    assert(told);
    /* Copied: a finalizer that runs below may take the item back. */
    const struct progress said = *told;
    tine__extras_push(L, f, idx);
    lua_createtable(L, 3, 0);
    tine__progress_push(L, &said);
    for (int i = 3; i >= 1; i--)
        lua_rawseti(L, -i - 1, i);
    lua_setfield(L, -2, "progress");
    lua_pop(L, 1);
    return !f->done;
}

void tine__extras_set_printed(lua_State *L, struct future *f, int idx, const struct printed *p) {
    tine__extras_push(L, f, idx);
    lua_pushlstring(L, p->bytes, p->length);
    lua_setfield(L, -2, "output");
    lua_pop(L, 1);
}

bool tine__extras_keep_printed(lua_State *L, struct future *f, int idx) {
    tine__extras_push(L, f, idx);
    lua_pop(L, 1);
    if (f->done) /* a finalizer that ran meanwhile has taken the item back */
        return false;
    const struct printed *printed = item_printed(f->anchor.item);
    assert(printed);
    tine__extras_set_printed(L, f, idx, printed);
    return !f->done;
}

int tine__extras_push_printed(lua_State *L, struct future *f, int idx) {
    if (f->extras != EXTRA_TABLE) {
        lua_pushnil(L);
        return 1;
    }
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    lua_getfield(L, -1, "output");
    return 1;
}

int tine__extras_push_progress(lua_State *L, struct future *f, int idx) {
    if (f->extras != EXTRA_TABLE)
        return 0;
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    if (lua_getfield(L, -1, "progress") != LUA_TTABLE)
        return 0;
    int list = lua_gettop(L);
    for (int i = 1; i <= 3; i++)
        lua_rawgeti(L, list, i);
    return 3;
}

void tine__future_room(lua_State *L, struct future *f, int idx) {
    if (f->extras < EXTRA_WATCH)
        return;
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    int extras = lua_gettop(L);
    if (f->extras == EXTRA_WATCH) {
        tine__watch_room(L, extras);
    } else {
        bool any = lua_getfield(L, extras, "watches") == LUA_TTABLE;
        for (lua_Integer i = 1; any && lua_rawgeti(L, extras + 1, i) != LUA_TNIL; i++) {
            tine__watch_room(L, extras + 2);
            lua_settop(L, extras + 1);
        }
        lua_settop(L, extras);
        tine__due_room(L, extras);
    }
    lua_settop(L, extras - 1);
}

void tine__future_ended(lua_State *L, struct future *f, int idx) {
    if (f->extras < EXTRA_WATCH)
        return;
    idx = lua_absindex(L, idx);
    lua_getiuservalue(L, idx, FUTURE_EXTRAS);
    if (f->extras == EXTRA_WATCH) {
        tine__watch_tell(L, lua_gettop(L), f, idx);
    } else {
        tell_watches(L, f, idx);
        tine__callbacks_due(L, f, idx);
    }
    lua_pop(L, 1);
}
