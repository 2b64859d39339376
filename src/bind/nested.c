/* tine.worker.pool: the pool object and its views. */
#include "bind/nested.h"
#include "bind/options.h"
#include "msg/settings.h"

static struct nested *new_view(lua_State *L) {
    struct nested *v = lua_newuserdatauv(L, sizeof *v, 1);
    *v = (struct nested){0};
    luaL_setmetatable(L, "tine.nested");
    return v;
}

static uint32_t read_set(lua_State *L) {
    static const struct {
        const char *name;
        uint32_t bit;
    } bits[] = {{"timeout", SET_TIMEOUT}, {"deadline", SET_DEADLINE},
                {"grace", SET_GRACE},     {"priority", SET_PRIORITY},
                {"group", SET_GROUP},     {"retry", SET_RETRY},
                {"memory", SET_MEMORY},   {"cpu", SET_CPU},
                {"output", SET_OUTPUT},   {"output_limit", SET_OUTPUT_LIMIT},
                {"seed", SET_SEED},       {NULL, 0}};
    uint32_t set = 0;
    for (int i = 0; bits[i].name; i++) {
        if (tine__option(L, 2, bits[i].name) != LUA_TNIL)
            set |= bits[i].bit;
        lua_pop(L, 1);
    }
    return set;
}

/* pool:with{...} */
static int nested_with(lua_State *L) {
    static const char *const known[] = {SETTING_NAMES, NULL};
    const struct nested *from = tine__check_nested(L);
    tine__check_options(L, 2, known);
    lua_settop(L, 2);
    struct nested *v = new_view(L);
    v->set = from->set | read_set(L);
    if (tine__settings_read(L, 2, from->settings ? from->settings : &tine__settings_none,
                            &v->settings) &&
        !lua_isnil(L, -1))
        return luaL_argerror(L, 2, "option 'retry.when' is not there in a task");
    lua_settop(L, 3);
    size_t len;
    if (!tine__option_label(L, 2, &len))
        lua_getiuservalue(L, 1, 1);
    v->label = lua_tolstring(L, -1, &v->label_len);
    lua_setiuservalue(L, 3, 1);
    lua_settop(L, 3);
    return 1;
}

static int nested_gc(lua_State *L) {
    struct nested *v = luaL_checkudata(L, 1, "tine.nested");
    tine__settings_unref(v->settings);
    v->settings = NULL;
    return 0;
}

static int nested_tostring(lua_State *L) {
    const struct nested *v = luaL_checkudata(L, 1, "tine.nested");
    lua_pushfstring(L, "tine.worker.pool (%s)", v->label ? v->label : "no label");
    return 1;
}

void tine__nested_push(lua_State *L) {
    luaL_checkstack(L, UP_LAST + 4, "tine.worker.pool");
    tine__nested_prepare(L);
    new_view(L);
}

const luaL_Reg tine__nested_methods[] = {
    {"submit", tine__nested_submit},
    {"try_submit", tine__nested_submit},
    {"with", nested_with},
    {NULL, NULL},
};

const luaL_Reg tine__nested_meta[] = {
    {"__gc", nested_gc},
    {"__tostring", nested_tostring},
    {NULL, NULL},
};
