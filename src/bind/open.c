/* tine.pool: from an option table to an open pool. */
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <lualib.h>
#include "base/why.h"
#include "bind/bind.h"
#include "msg/errand.h"
#include "trace/trace.h"
#include "worker/loop.h"
#include "worker/root.h"

extern char **environ;

#define MOST_WORKERS 4095
#define FAR_GUESS 4 /* workers that there may be on other machines, while nobody is known */
#define DEEPEST 8   /* pools in workers of pools ... */

static const char *const known[] = {"workers",
                                    "initializer",
                                    "initargs",
                                    "max_tasks_per_worker",
                                    "task_timeout",
                                    SETTING_NAMES,
                                    "start_method",
                                    "preload",
                                    "on_crash",
                                    "globals",
                                    "warnings",
                                    "max_pending",
                                    "max_pending_bytes",
                                    "event_buffer",
                                    "min_workers",
                                    "idle_timeout",
                                    "max_worker_age",
                                    "max_worker_memory",
                                    "ageing",
                                    "on_callback_error",
                                    "on_worker_exit",
                                    "finalizer",
                                    "spin",
                                    "start_timeout",
                                    "exit_timeout",
                                    "name",
                                    "trace",
                                    "backend",
                                    "key",
                                    "window",
                                    "connect_timeout",
                                    "lost_after",
                                    "confirm",
                                    NULL};

/* --- bytes that outlive an error --- */

/* What is encoded for the time before tasks, and the regions that it names. */
struct bytes {
    struct buf b;
    struct carried carried;
};

int tine__bytes_gc(lua_State *L) {
    struct bytes *bytes = lua_touserdata(L, 1);
    tine__buf_free(&bytes->b);
    tine__carried_drop(&bytes->carried);
    return 0;
}

/* Push a userdata that owns such bytes. What they name goes to `carried`. */
static struct bytes *push_bytes(lua_State *L, struct carried *carried) {
    struct bytes *bytes = lua_newuserdatauv(L, sizeof *bytes, 0);
    *bytes = (struct bytes){.carried = {0}};
    tine__buf_init(&bytes->b);
    bytes->b.carried = carried;
    push_kept(L, KEPT_BYTES);
    lua_setmetatable(L, -2);
    return bytes;
}

/* --- what runs in each worker before its tasks --- */

/* An encoding failed with the message on top. */
static void cannot_send(lua_State *L, int code, const char *option) {
    if (code)
        tine__error(L, code, "option '%s': %s", option, lua_tostring(L, -1));
}

/* Encode the function on top (popped). */
static void encode_function(lua_State *L, struct codec *c, struct buf *b, size_t *len,
                            const char *option) {
    const struct codec_origin *origin = NULL;
    cannot_send(L, tine__encode_function(L, c, lua_gettop(L), b, &origin), option);
    *len = b->len;
    lua_pop(L, 1);
}

/* Encode the `n` values on top (popped) as the arguments of one call. */
static void encode_arguments(lua_State *L, struct codec *c, struct buf *b, int n,
                             const char *option) {
    cannot_send(L, tine__encode_arguments(L, c, lua_gettop(L) - n + 1, n, b), option);
    lua_pop(L, n);
}

/* Push the values of option `initargs`; how many. */
static int push_initargs(lua_State *L, int arg) {
    int type = tine__option(L, arg, "initargs");
    if (type == LUA_TNIL)
        return lua_pop(L, 1), 0;
    int list = lua_gettop(L);
    lua_Integer n = lua_getfield(L, list, "n") == LUA_TNUMBER ? lua_tointeger(L, -1)
                                                              : (lua_Integer)lua_rawlen(L, list);
    lua_pop(L, 1);
    luaL_argcheck(L, n >= 0 && n < 250, arg, "option 'initargs' has too many values");
    luaL_checkstack(L, (int)n + 5, "too many initargs");
    for (lua_Integer i = 1; i <= n; i++)
        lua_geti(L, list, i);
    lua_remove(L, list);
    return (int)n;
}

/* Push it; false: there is none. */
static bool push_initializer(lua_State *L, int arg) {
    if (tine__option(L, arg, "initargs") != LUA_TNIL && !lua_istable(L, -1))
        tine__option_error(L, arg, "initargs", "a list");
    lua_pop(L, 1);
    int type = tine__option(L, arg, "initializer");
    if (type == LUA_TNIL)
        return lua_pop(L, 1), false;
    if (type != LUA_TSTRING && !tine__is_callable(L, lua_gettop(L)))
        tine__option_error(L, arg, "initializer", "a function");
    return true;
}

static void encode_initializer(lua_State *L, int arg, struct codec *c, struct pool_options *o) {
    struct boot *boot = &o->boot;
    if (!push_initializer(L, arg))
        return;
    struct buf *b = &push_bytes(L, o->carried)->b;
    lua_insert(L, -2);
    encode_function(L, c, b, &boot->initializer_function, "initializer");
    encode_arguments(L, c, b, push_initargs(L, arg), "initargs");
    boot->initializer = b->data;
    boot->initializer_len = b->len;
}

static void encode_finalizer(lua_State *L, int arg, struct codec *c, struct pool_options *o) {
    struct boot *boot = &o->boot;
    int type = tine__option(L, arg, "finalizer");
    if (type == LUA_TNIL)
        return lua_pop(L, 1);
    if (type != LUA_TSTRING && !tine__is_callable(L, lua_gettop(L)))
        tine__option_error(L, arg, "finalizer", "a function");
    struct buf *b = &push_bytes(L, o->carried)->b;
    lua_insert(L, -2);
    encode_function(L, c, b, &boot->finalizer_function, "finalizer");
    encode_arguments(L, c, b, 0, "finalizer");
    boot->finalizer = b->data;
    boot->finalizer_len = b->len;
}

/* Push `require` as Lua made it. */
static void push_require(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, LUA_GNAME);
    lua_getfield(L, -1, "require");
    lua_replace(L, -3);
    lua_pop(L, 1);
}

/* The module names in the list (or the single name) on top: one call of `require` each. Popped. */
static uint32_t encode_names(lua_State *L, int arg, struct codec *c, struct buf *b) {
    int list = lua_gettop(L);
    uint32_t n = 0;
    if (lua_type(L, list) == LUA_TSTRING) {
        encode_arguments(L, c, b, 1, "preload");
        return 1;
    }
    for (lua_Integer i = 1; lua_geti(L, list, i) != LUA_TNIL; i++, n++) {
        if (lua_type(L, -1) != LUA_TSTRING)
            tine__option_error(L, arg, "preload", "a list of module names");
        encode_arguments(L, c, b, 1, "preload");
    }
    lua_pop(L, 2);
    return n;
}

static void encode_preload(lua_State *L, int arg, struct codec *c, struct pool_options *o) {
    struct boot *boot = &o->boot;
    int type = tine__option(L, arg, "preload");
    if (type == LUA_TNIL)
        return lua_pop(L, 1);
    struct buf *b = &push_bytes(L, o->carried)->b;
    lua_insert(L, -2);
    if (tine__is_callable(L, lua_gettop(L))) {
        encode_function(L, c, b, &boot->preload_function, "preload");
        encode_arguments(L, c, b, 0, "preload");
        boot->preload_count = 1;
    } else if (type == LUA_TSTRING || type == LUA_TTABLE) {
        push_require(L);
        encode_function(L, c, b, &boot->preload_function, "preload");
        boot->preload_count = encode_names(L, arg, c, b);
    } else {
        tine__option_error(L, arg, "preload", "module names or a function");
    }
    if (boot->preload_count == 0)
        return;
    boot->preload = b->data;
    boot->preload_len = b->len;
}

/* --- the rest --- */

/* Field of `package`; stays on the stack. */
static const char *package_field(lua_State *L, const char *field) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    const char *value = NULL;
    if (lua_getfield(L, -1, LUA_LOADLIBNAME) == LUA_TTABLE) {
        lua_getfield(L, -1, field);
        value = lua_tostring(L, -1);
    }
    return value;
}

static const char *option_string(lua_State *L, int arg, const char *name, const char *none) {
    int type = tine__option(L, arg, name); /* stays on the stack */
    if (type == LUA_TNIL)
        return none;
    if (type != LUA_TSTRING)
        tine__option_error(L, arg, name, "a string");
    return lua_tostring(L, -1);
}

/* 0 is none, and the program's own process. */
static void read_workers(lua_State *L, int arg, struct pool_options *o) {
    int type = tine__option(L, arg, "workers");
    lua_Number n = lua_tonumber(L, -1);
    if (type == LUA_TNUMBER && n < 0)
        tine__option_error(L, arg, "workers",
                           "an integer of 1 or more, or 0 for a pool without processes");
    lua_pop(L, 1);
    o->in_process = type == LUA_TNUMBER && n == 0;
    o->workers = 1;
    if (!o->in_process && type == LUA_TNIL)
        o->workers = tine_cpu_count(); /* which reads files */
    else if (!o->in_process)
        o->workers = (unsigned)tine__option_count(L, arg, "workers", MOST_WORKERS, 1);
}

/* Steps a second. */
static double read_ageing(lua_State *L, int arg) {
    int type = tine__option(L, arg, "ageing");
    double x = type == LUA_TNIL ? POOL_AGEING : lua_tonumber(L, -1);
    if ((type != LUA_TNIL && type != LUA_TNUMBER) || !(x >= 0))
        tine__option_error(L, arg, "ageing", "a number of 0 or more");
    lua_pop(L, 1);
    return x;
}

/* An integer of 0 or more, 0 when nil. */
static lua_Integer read_natural(lua_State *L, int arg, const char *name, lua_Integer most) {
    int exact = 1, type = tine__option(L, arg, name);
    lua_Integer n = type == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &exact);
    if ((type != LUA_TNIL && type != LUA_TNUMBER) || !exact || n < 0 || n > most) {
        const char *wanted = lua_pushfstring(L, "an integer from 0 to %I", (LUAI_UACINT)most);
        lua_insert(L, -2);
        tine__option_error(L, arg, name, wanted);
    }
    lua_pop(L, 1);
    return n;
}

static void read_limits(lua_State *L, int arg, struct pool_options *o) {
    static const char *const methods[] = {"fork", "spawn", NULL};
    static const char *const crashes[] = {"break", "replace", NULL};
    static const char *const globals[] = {"named", "none", NULL};
    read_workers(L, arg, o);
    o->max_pending = tine__option_count(L, arg, "max_pending", INT64_MAX, 0);
    o->ageing = read_ageing(L, arg);
    o->max_bytes = tine__option_count(L, arg, "max_pending_bytes", INT64_MAX, 0);
    o->min_workers = (unsigned)read_natural(L, arg, "min_workers", MOST_WORKERS);
    o->max_age = tine__option_limit(L, arg, "max_worker_age", 0);
    o->boot.idle = tine__option_limit(L, arg, "idle_timeout", 0);
    o->boot.max_memory = tine__option_count(L, arg, "max_worker_memory", INT64_MAX, 0);
    o->boot.event_buffer = tine__option_count(L, arg, "event_buffer", INT64_MAX, POOL_EVENT_BUFFER);
    o->boot.max_tasks = tine__option_count(L, arg, "max_tasks_per_worker", INT64_MAX, 0);
    o->boot.spin = tine__option_seconds(L, arg, "spin", 50000);
    o->start_timeout = tine__option_limit(L, arg, "start_timeout", 0);
    o->exit_timeout = tine__option_limit(L, arg, "exit_timeout", POOL_EXIT_TIMEOUT);
    o->spawn = tine__option_choice(L, arg, "start_method", methods) == 1;
    o->replace = tine__option_choice(L, arg, "on_crash", crashes) == 1 || o->far;
    o->boot.send_globals = tine__option_choice(L, arg, "globals", globals) == 0;
}

/* --- what belongs to the program as a process --- */

/* The first and last of the integer keys around 0 of the table on top under which strings are. */
static void measure_arg(lua_State *L, int *first, int *last) {
    int t = lua_gettop(L);
    for (*first = 0; lua_rawgeti(L, t, *first - 1) == LUA_TSTRING; --*first)
        lua_settop(L, t);
    lua_settop(L, t);
    for (*last = 0; lua_rawgeti(L, t, *last + 1) == LUA_TSTRING; ++*last)
        lua_settop(L, t);
    lua_settop(L, t);
    if (lua_rawgeti(L, t, 0) != LUA_TSTRING)
        *first = 1;
    lua_settop(L, t);
}

/* The strings stay where they are: in `arg`, which stays on the stack. */
static void read_arg(lua_State *L, struct boot *boot) {
    int last;
    lua_pushglobaltable(L);
    lua_pushliteral(L, "arg");
    if (lua_rawget(L, -2) != LUA_TTABLE)
        return;
    measure_arg(L, &boot->arg_first, &last);
    int t = lua_gettop(L), n = last - boot->arg_first + 1;
    const char **list = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *list, 0);
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, t, boot->arg_first + i);
        list[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    list[n] = NULL;
    boot->arg = list;
}

static void read_warnings(lua_State *L, int arg, struct boot *boot) {
    int type = tine__option(L, arg, "warnings");
    if (type == LUA_TNIL) /* as `tine -W` */
        lua_getfield(L, LUA_REGISTRYINDEX, TINE_WARNINGS_FIELD);
    else if (type != LUA_TBOOLEAN)
        tine__option_error(L, arg, "warnings", "a boolean");
    boot->warnings = lua_toboolean(L, -1);
}

/* Preload, initializer and finalizer, if there is any of them. */
static void encode_calls(lua_State *L, int arg, struct pool_options *o) {
    bool any = tine__option(L, arg, "preload") != LUA_TNIL;
    any |= tine__option(L, arg, "initializer") != LUA_TNIL;
    any |= tine__option(L, arg, "initargs") != LUA_TNIL;
    any |= tine__option(L, arg, "finalizer") != LUA_TNIL;
    lua_pop(L, 4);
    if (o->far && push_initializer(L, arg)) /* tine__initialize_far encodes it */
        lua_pop(L, 1);
    if (!any || o->far)
        return;
    /* what travels with the pool travels inline: there is no store yet */
    struct codec_options co = {.send_globals = o->boot.send_globals};
    struct codec *c = tine__codec_new(L, &co);
    o->carried = &push_bytes(L, NULL)->carried;
    encode_preload(L, arg, c, o);
    encode_initializer(L, arg, c, o);
    encode_finalizer(L, arg, c, o);
}

/* Is there one? */
static bool check_function(lua_State *L, int arg, const char *name) {
    bool any = tine__option(L, arg, name) != LUA_TNIL;
    if (any && !tine__is_callable(L, -1))
        tine__option_error(L, arg, name, "a function");
    lua_pop(L, 1);
    return any;
}

static void read_options(lua_State *L, int arg, struct pool_options *o) {
    luaL_checkstack(L, 60, "options");
    o->far = tine__far_read(L, arg);
    read_limits(L, arg, o);
    o->boot.name = option_string(L, arg, "name", "tine");
    o->boot.path = package_field(L, "path");
    o->boot.cpath = package_field(L, "cpath");
    o->boot.environ = environ;
    o->boot.locale = lua_pushstring(L, setlocale(LC_ALL, NULL));
    read_arg(L, &o->boot);
    read_warnings(L, arg, &o->boot);
    check_function(L, arg, "on_callback_error");
    o->tell_exits = check_function(L, arg, "on_worker_exit");
    encode_calls(L, arg, o);
}

/* What holds for tasks that say nothing else; `timeout` has an older name here. Pushes a view that has it. */
static struct view *read_settings(lua_State *L, int arg) {
    struct settings base;
    memcpy(&base, &tine__settings_none, sizeof base);
    bool old = tine__option(L, arg, "task_timeout") != LUA_TNIL;
    bool new = tine__option(L, arg, "timeout") != LUA_TNIL;
    lua_pop(L, 2);
    if (old && new)
        luaL_argerror(L, arg, "options 'timeout' and 'task_timeout' are one: give one of them");
    base.timeout = tine__option_limit(L, arg, "task_timeout", 0);
    struct view *v = lua_newuserdatauv(L, sizeof *v, VIEW_LAST);
    *v = (struct view){0};
    lua_pushvalue(L, UP(UP_VIEW));
    lua_setmetatable(L, -2);
    tine__view_settings(L, arg, lua_gettop(L), &base, 0);
    return v;
}

/* --- opening --- */

struct core *tine__core_push(lua_State *L) {
    struct view *v = lua_newuserdatauv(L, sizeof *v, VIEW_LAST);
    *v = (struct view){0};
    struct core *c = lua_newuserdatauv(L, sizeof *c, CORE_LAST);
    memset(c, 0, sizeof *c);
    list_init(&c->node);
    list_init(&c->busy);
    c->state = state_of(L);
    tine__items_init(&c->items);
    c->epoll = c->due = c->alarm = -1;
    push_kept(L, KEPT_CORE);
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, -3, VIEW_CORE);
    v->core = c;
    tine__future_push_meta(L, lua_gettop(L));
    c->meta = lua_topointer(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, c);
    push_kept(L, KEPT_CORES);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, c); /* also when opening fails: a moment only */
    lua_pop(L, 1);
    return c;
}

void tine__core_start(struct state *S, struct core *c, unsigned workers) {
    c->workers = workers;
    c->far = tine__pool_is_far(c->p);
    c->here = tine__pool_is_here(c->p);
    c->generation = tine__root_generation();
    c->inbox.stirred = &S->stirred;
    tine__inbox_open(&c->inbox, c->p);
    list_push(&S->cores, &c->node);
    S->ncores++;
    S->changes++;
}

/* The file that the pool is to be traced to, or NULL. */
static const char *read_trace(lua_State *L, int arg) {
    size_t length;
    int type = tine__option(L, arg, "trace"); /* stays on the stack */
    if (type == LUA_TNIL)
        return getenv("TINE_TRACE");
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1))
        return NULL;
    if (type != LUA_TSTRING)
        tine__option_error(L, arg, "trace", "the name of a file, or false");
    const char *file = lua_tolstring(L, -1, &length);
    if (strlen(file) != length)
        tine__option_error(L, arg, "trace", "a name without zero bytes");
    return file;
}

/* It could not be opened, or its trace. */
static void refuse(lua_State *L, struct core *c, int err, const char *what, const char *file) {
    int error = errno;
    c->p = NULL;
    tine__core_unanchor(L, c);
    what = lua_pushfstring(L, what, file);
    errno = error;
    tine__error(L, err, "%s: %s", what,
                err == TINE_ESYSTEM ? tine__why_text(error) : tine_error_text(err));
}

static void open_pool(lua_State *L, struct core *c, struct pool_options *o, const char *file) {
    tine__why_clear();
    int err = tine__trace_open(&o->trace, file, o->boot.name, tine__boot_depth() > 0);
    if (err)
        refuse(L, c, err, "cannot open the trace '%s'", file);
    err = tine__pool_open(&c->p, o);
    if (err)
        refuse(L, c, err, "cannot make a pool", NULL);
    c->inbox.wants_exits = o->tell_exits;
    tine__core_start(state_of(L), c, o->far ? FAR_GUESS : o->workers);
}

/* --- the store of its functions, as the codec sees it --- */

/* While a call is encoded the pool may end, and so may the process be another: such a call goes nowhere. */
static struct store *store_of(const struct core *c) {
    struct pool *p = c->p ? c->p : c->held;
    return p && tine__core_is_ours(c) ? tine__pool_store(p) : NULL;
}

static const struct codec_stored *put_function(void *core, const struct codec_code *code,
                                               const struct codec_origin *origin) {
    struct store *s = store_of(core);
    return s ? tine__store_put(s, code, origin) : NULL;
}

static void drop_function(void *core, const struct codec_stored *stored) {
    struct store *s = store_of(core);
    if (s)
        tine__store_drop(s, stored);
}

/* Calls are encoded into call buffers (struct room, struct map). */
static int hold_function(void *core, struct buf *out, const struct codec_stored *stored) {
    struct call_buf *cb = (struct call_buf *)out;
    (void)core; /* whose pool's memory stays until the encoding has ended */
    return tine__store_hold(&cb->refs, stored);
}

/* Of a shared value that is read here. */
static bool get_stored(void *core, uint64_t id, struct codec_code *out) {
    const struct core *c = core;
    const struct codec_stored *found = c->reading ? tine__store_named(c->reading, id) : NULL;
    if (found)
        *out = found->code;
    return found != NULL;
}

void tine__core_equip(lua_State *L, struct core *c, int core, int arg, bool send_globals) {
    struct codec_options co = {.send_globals = send_globals,
                               .store = {.put = put_function,
                                         .drop = drop_function,
                                         .hold = hold_function,
                                         .get = get_stored,
                                         .keep = tine__core_origin,
                                         .age = &c->origins_age,
                                         .ctx = c}};
    c->codec = tine__codec_new(L, &co);
    lua_setiuservalue(L, core, CORE_CODEC);
    tine__option(L, arg, "on_callback_error");
    lua_setiuservalue(L, core, CORE_ON_ERROR);
    tine__option(L, arg, "on_worker_exit");
    lua_setiuservalue(L, core, CORE_ON_EXIT);
    lua_pushstring(L, option_string(L, arg, "name", "tine"));
    lua_setiuservalue(L, core, CORE_NAME);
    tine__room_make(L, c, core);
    tine__closer_renew(L);
    tine__sweep_later(L);
}

/* Is a module being loaded? */
static bool is_loading(lua_State *L) {
    lua_Debug ar;
    bool loading = false;
    for (int level = 0; !loading && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "f", &ar);
        loading = tine__is_require(L, lua_gettop(L));
        lua_pop(L, 1);
    }
    return loading;
}

/* A script that is a module, too, would make pools in its workers without end. */
static void check_nesting(lua_State *L) {
    bool task = lua_getfield(L, LUA_REGISTRYINDEX, TINE_WORKER_FIELD) == LUA_TTABLE;
    lua_pop(L, 1);
    if (tine__boot_depth() == 0 && !task) /* it is one without a process of its own, too */
        return;
    luaL_checkstack(L, 4, "pools");
    if (is_loading(L))
        tine__error(L, TINE_EINVALID,
                    "cannot make a pool while a worker is loading a module: what only the program "
                    "is to do must not "
                    "stand in the module's main part; give it a test whether there is a caller");
    if (tine__boot_depth() >= DEEPEST)
        tine__error(
            L, TINE_EINVALID,
            "cannot make a pool inside of a pool inside of a pool ...: they may lie %d deep",
            DEEPEST);
}

/* --- initializers of workers on other machines --- */

/* The function on top (popped), and its arguments, behind room for its head. A code, with the message pushed. */
static int encode_far(lua_State *L, struct core *c, int arg, struct buf *b, size_t *function) {
    const struct errand_head head = {.function = 0};
    const struct codec_origin *origin = NULL;
    if (buf_append(b, &head, sizeof head)) {
        lua_pushstring(L, tine_error_text(TINE_ENOMEM));
        return TINE_ENOMEM;
    }
    int err = tine__encode_function(L, c->codec, lua_gettop(L), b, &origin);
    *function = b->len - sizeof head;
    if (err)
        return err;
    lua_pop(L, 1);
    int n = push_initargs(L, arg);
    err = tine__encode_arguments(L, c->codec, lua_gettop(L) - n + 1, n, b);
    if (!err)
        lua_pop(L, n);
    return err;
}

/* There is a store now: what its functions are made of goes to each host once. */
static void initialize_far(lua_State *L, struct core *c, int view, int arg) {
    size_t function = 0;
    if (!push_initializer(L, arg))
        return;
    core_begin_encoding(c);
    struct room *r = tine__room_take(L, c, view);
    int err = encode_far(L, c, arg, &r->call.b, &function);
    if (!err && (err = tine__pool_initialize(c->p, &r->call, (uint32_t)function)) != 0)
        lua_pushstring(L, tine_error_text(err));
    if (err)
        tine__call_buf_drop(&r->call);
    tine__room_put(c, r);
    tine__core_end_encoding(c);
    if (err)
        tine__pool_kill(c->p, SIGKILL);
    cannot_send(L, err, "initializer");
}

/* tine.pool([workers | options]) */
int tine__pool_open_lua(lua_State *L) {
    struct pool_options o = {0};
    struct state *S = state_of(L);
    if (S->closed)
        return tine__error(L, TINE_EINVALID, "this Lua state is being closed");
    tine__state_check(L, S);
    check_nesting(L);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TTABLE) {
        tine__check_options(L, 1, known);
    } else if (!lua_isnil(L, 1)) { /* the number of workers */
        if (lua_type(L, 1) != LUA_TNUMBER)
            return luaL_typeerror(L, 1, "table or number of workers");
        lua_createtable(L, 0, 1);
        lua_insert(L, 1);
        lua_setfield(L, 1, "workers");
    }
    read_options(L, 1, &o);
    const char *trace = read_trace(L, 1);
    o.settings = read_settings(L, 1)->settings;
    int said = lua_gettop(L);
    struct core *c = tine__core_push(L);
    int core = lua_gettop(L);
    c->settings = tine__settings_ref(o.settings);
    open_pool(L, c, &o, trace);
    lua_pushvalue(L, UP(UP_POOL)); /* from here on its __gc closes the pool */
    lua_setmetatable(L, core - 1);
    tine__view_adopt_settings(L, core - 1, said);
    tine__core_equip(L, c, core, 1, o.boot.send_globals);
    if (o.far)
        initialize_far(L, c, core - 1, 1);
    lua_settop(L, core - 1);
    return 1;
}
