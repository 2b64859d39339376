/* Settings of tasks: from an option table, based on those of a pool or view, to struct settings. */
#include <math.h>
#include <string.h>
#include "base/clock.h"
#include "base/hash.h"
#include "bind/errors.h"
#include "bind/options.h"
#include "bind/view.h"
#include "msg/settings.h"

#define MOST_TRIES UINT32_MAX
#define MOST_GROUP 65535 /* length of a group's name */

/* --- retry --- */

static const char *const kinds[] = {"error", "crashed", "timeout", "lost", NULL};

static uint32_t budget(lua_State *L, int arg, const char *name) {
    int exact;
    lua_Integer n = lua_tointegerx(L, -1, &exact);
    if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) == HUGE_VAL)
        return MOST_TRIES;
    if (lua_type(L, -1) != LUA_TNUMBER || !exact || n < 0 || n > MOST_TRIES)
        tine__option_error(L, arg, name, "an integer of 0 or more");
    return (uint32_t)n;
}

/* A field of the table on top, a number from `least` to `most`; `none` if nil. `name` begins with
** "retry.". */
static double number(lua_State *L, int arg, const char *name, double least, double most,
                     double none, const char *wanted) {
    int type = lua_getfield(L, -1, name + strlen("retry."));
    double x = type == LUA_TNIL ? none : lua_tonumber(L, -1);
    if ((type != LUA_TNIL && type != LUA_TNUMBER) || !(x >= least) || x > most)
        tine__option_error(L, arg, name, wanted);
    lua_pop(L, 1);
    return x;
}

static uint64_t wait_span(lua_State *L, int arg, const char *name, uint64_t none) {
    int type = lua_getfield(L, -1, name + strlen("retry."));
    double s = lua_tonumber(L, -1);
    if (type != LUA_TNIL && (type != LUA_TNUMBER || s != s))
        tine__option_error(L, arg, name, "a number of seconds");
    lua_pop(L, 1);
    return type == LUA_TNIL ? none : clock_span(s);
}

static void retry_table(lua_State *L, int arg, struct retry *r) {
    static const char *const known[] = {"error",  "crashed",   "timeout", "lost", "delay",
                                        "factor", "max_delay", "jitter",  "when", NULL};
    static const char *const names[] = {"retry.error", "retry.crashed", "retry.timeout",
                                        "retry.lost"};
    tine__check_fields(L, arg, lua_gettop(L), "retry.", known);
    for (int kind = 0; kind < RETRY_KINDS; kind++) {
        if (lua_getfield(L, -1, kinds[kind]) != LUA_TNIL)
            r->budget[kind] = budget(L, arg, names[kind]);
        lua_pop(L, 1);
    }
    r->delay = wait_span(L, arg, "retry.delay", r->delay);
    r->most = wait_span(L, arg, "retry.max_delay", r->most);
    r->factor = number(L, arg, "retry.factor", 0, HUGE_VAL, r->factor, "a number of 0 or more");
    r->jitter = number(L, arg, "retry.jitter", 0, 1, r->jitter, "a number from 0 to 1");
    if (lua_getfield(L, -1, "when") != LUA_TNIL && !tine__is_callable(L, -1))
        tine__option_error(L, arg, "retry.when", "a function");
    r->asks = !lua_isnil(L, -1);
    lua_pop(L, 1);
}

/* False: option `retry` is not set. Else its `when`, or nil, is pushed. */
static bool read_retry(lua_State *L, int arg, struct retry *r) {
    struct retry fresh = tine__settings_none.retry;
    switch (tine__option(L, arg, "retry")) {
    case LUA_TNIL:
        lua_pop(L, 1);
        return false;
    case LUA_TNUMBER:
        for (int kind = 0; kind < RETRY_KINDS; kind++)
            fresh.budget[kind] = budget(L, arg, "retry");
        lua_pop(L, 1);
        lua_pushnil(L);
        break;
    case LUA_TTABLE:
        retry_table(L, arg, &fresh);
        lua_getfield(L, -1, "when");
        lua_remove(L, -2);
        break;
    default:
        tine__option_error(L, arg, "retry", "a count, or a table of budgets");
    }
    *r = fresh;
    return true;
}

/* --- other settings --- */

/* A number of bytes; `unlimited` for math.huge; `none` if nil. */
static uint64_t read_bytes(lua_State *L, int arg, const char *name, uint64_t least,
                           uint64_t unlimited, uint64_t none) {
    int exact;
    int type = tine__option(L, arg, name);
    lua_Number x = lua_tonumber(L, -1);
    lua_Integer n = lua_tointegerx(L, -1, &exact);
    bool never = type == LUA_TNUMBER && x == HUGE_VAL;
    if (type == LUA_TNIL)
        return lua_pop(L, 1), none;
    if (type != LUA_TNUMBER || (!never && (!exact || n < (lua_Integer)least)))
        tine__option_error(L, arg, name, "a number of bytes");
    lua_pop(L, 1);
    return never ? unlimited : (uint64_t)n;
}

static int64_t read_priority(lua_State *L, int arg, int64_t none) {
    int exact;
    int type = tine__option(L, arg, "priority");
    lua_Integer n = lua_tointegerx(L, -1, &exact);
    if (type == LUA_TNIL)
        return lua_pop(L, 1), none;
    if (type != LUA_TNUMBER || !exact)
        tine__option_error(L, arg, "priority", "an integer");
    lua_pop(L, 1);
    return n;
}

static void read_seed(lua_State *L, int arg, struct settings *s) {
    int exact;
    int type = tine__option(L, arg, "seed");
    lua_Integer n = lua_tointegerx(L, -1, &exact);
    if (type == LUA_TNIL)
        return lua_pop(L, 1);
    if (type != LUA_TSTRING && (type != LUA_TNUMBER || !exact))
        tine__option_error(L, arg, "seed", "an integer or a text");
    size_t len;
    const char *text = type == LUA_TSTRING ? lua_tolstring(L, -1, &len) : NULL;
    if (text)
        settings_seed_text(s, text, len);
    else
        settings_seed(s, n);
    lua_pop(L, 1);
}

static void read_output(lua_State *L, int arg, struct settings *s) {
    static const char *const modes[] = {"inherit", "capture", "prefix", NULL};
    bool given = tine__option(L, arg, "output") != LUA_TNIL;
    lua_pop(L, 1);
    if (given)
        s->output = (uint8_t)tine__option_choice(L, arg, "output", modes);
    s->output_limit = read_bytes(L, arg, "output_limit", 0, UINT64_MAX, s->output_limit);
}

/* The name of the group; stays on the stack. */
static const char *read_group(lua_State *L, int arg, const struct settings *from, size_t *len) {
    int type = tine__option(L, arg, "group");
    *len = from->group_len;
    if (type == LUA_TNIL)
        return from->group;
    const char *name = type == LUA_TSTRING ? lua_tolstring(L, -1, len) : NULL;
    if (!name || *len > MOST_GROUP)
        tine__option_error(L, arg, "group", name ? "at most 65535 bytes" : "a text");
    return name;
}

static void read_times(lua_State *L, int arg, struct settings *s) {
    s->timeout = tine__option_limit(L, arg, "timeout", s->timeout);
    s->deadline = tine__option_limit(L, arg, "deadline", s->deadline);
    s->grace = tine__option_seconds(L, arg, "grace", s->grace);
    s->cpu = tine__option_limit(L, arg, "cpu", s->cpu);
}

bool tine__settings_read(lua_State *L, int arg, const struct settings *from,
                         struct settings **out) {
    struct settings s;
    size_t len;
    luaL_checkstack(L, 10, "settings");
    memcpy(&s, from, sizeof s);
    read_times(L, arg, &s);
    s.priority = read_priority(L, arg, s.priority);
    s.memory = read_bytes(L, arg, "memory", 1, 0, s.memory);
    read_seed(L, arg, &s);
    read_output(L, arg, &s);
    const char *group = read_group(L, arg, from, &len);
    int top = lua_gettop(L);
    bool retries = read_retry(L, arg, &s.retry);
    *out = tine__settings_copy(&s, group, len);
    if (!*out)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    lua_remove(L, top); /* removes the group's name */
    return retries;
}

/* --- views --- */

static void set_label(lua_State *L, int arg, int idx, int over) {
    struct view *v = lua_touserdata(L, idx);
    const char *label = tine__option_label(L, arg, &v->label_len);
    if (label)
        v->label = label;
    else if (over)
        lua_getiuservalue(L, over, VIEW_LABEL);
    lua_setiuservalue(L, idx, VIEW_LABEL);
}

void tine__view_settings(lua_State *L, int arg, int idx, const struct settings *from, int over) {
    struct view *v = lua_touserdata(L, idx);
    int top = lua_gettop(L);
    set_label(L, arg, idx, over);
    if (!tine__settings_read(L, arg, from, &v->settings)) {
        if (over)
            lua_getiuservalue(L, over, VIEW_WHEN);
        else
            lua_pushnil(L);
    }
    lua_setiuservalue(L, idx, VIEW_WHEN);
    lua_settop(L, top);
}

void tine__view_adopt_settings(lua_State *L, int idx, int from) {
    struct view *v = lua_touserdata(L, idx);
    const struct view *said = from ? lua_touserdata(L, from) : NULL;
    v->settings = tine__settings_ref(v->core->settings);
    if (!said)
        return;
    v->label = said->label;
    v->label_len = said->label_len;
    lua_getiuservalue(L, from, VIEW_LABEL);
    lua_setiuservalue(L, idx, VIEW_LABEL);
    lua_getiuservalue(L, from, VIEW_WHEN);
    lua_setiuservalue(L, idx, VIEW_WHEN);
}

int tine__view_gc(lua_State *L) {
    struct view *v = lua_touserdata(L, 1);
    *known_at(state_of(L), v) = NULL;
    tine__settings_unref(v->settings);
    v->settings = NULL;
    return 0;
}
