/* tine.worker.pool: tasks that a task submits. Their futures are manual ones, which end when the worker hears of it
** (worker/nest.h); until then the state has them by their numbers.
*/
#include <string.h>
#include "base/clock.h"
#include "bind/bind.h"
#include "bind/nested.h"
#include "msg/nested.h"

/* The pool, or a view of it. User value: the label. */
struct nested {
    const char *label;
    size_t label_len;
    struct settings *settings; /* NULL: none of its own */
    uint32_t set;              /* enum nested_set: which are */
};

static const char forget_key; /* in the registry: a function */

static struct nested *check(lua_State *L) {
    return luaL_checkudata(L, 1, "tine.nested");
}

static struct nested *new_view(lua_State *L) {
    struct nested *v = lua_newuserdatauv(L, sizeof *v, 1);
    *v = (struct nested){0};
    luaL_setmetatable(L, "tine.nested");
    return v;
}

/* --- what comes --- */

/* The failure that the letter tells of; its texts are the letter's. */
static void read_failure(const struct letter *letter, struct failure *f) {
    struct letter_failure said;
    char *at = (char *)(letter + 1) + sizeof said;
    memcpy(&said, letter + 1, sizeof said);
    *f = (struct failure){.code = letter->code,
                          .error = said.error,
                          .pid = said.pid,
                          .worker = said.worker,
                          .has_status = said.has_status,
                          .status = said.status,
                          .task = said.task,
                          .line = said.line,
                          .limit = said.limit,
                          .used = said.used,
                          .cpu = said.cpu,
                          .phase = said.pending   ? "pending"
                                   : said.running ? "running"
                                                  : NULL};
    char **const texts[] = {&f->message, &f->label, &f->source, &f->traceback};
    const uint32_t sizes[] = {said.message, said.label, said.source, said.traceback};
    for (int i = 0; i < 4; i++) {
        *texts[i] = sizes[i] ? at : NULL;
        at += sizes[i];
    }
}

/* As an outcome, which the letter and `f` hold. */
static struct outcome outcome_of(const struct letter *letter, struct failure *f) {
    struct outcome o = {.state = (uint8_t)letter->state,
                        .code = (int16_t)letter->code,
                        .storage = STORE_KEPT,
                        .readers = 1}; /* nobody frees what it has */
    if (letter->failed) {
        read_failure(letter, f);
        o.storage = STORE_FAILURE;
        o.u.failure = f;
    } else {
        o.u.far.data = (const char *)(letter + 1);
        o.u.far.length = letter->length;
    }
    return o;
}

/* Push what it ended with: the number of values, or -1: error and traceback. */
static int push_end(lua_State *L, const struct loop *l, const struct future *f, int origin,
                    const struct letter *letter) {
    struct core core = {.codec = l->run.codec};
    struct failure failure;
    struct outcome o = outcome_of(letter, &failure);
    const struct task_name name = {.id = letter->id,
                                   .origin = lua_touserdata(L, origin),
                                   .label = f->label,
                                   .label_len = f->label_len};
    if (letter->state != OUTCOME_VALUES) {
        tine__failure_push(L, &core, &o, &name, 0);
        return -1;
    }
    int n = tine__values_push(L, &core, &o, &name, 0);
    if (n < 0)
        lua_pushliteral(L, "");
    return n;
}

/* The state has the task of this number no more; the table of them is at `list`. */
static void forget(lua_State *L, struct future *f, int list, lua_Integer number) {
    for (int i = 0; i < 2; i++, number = -number) {
        lua_pushnil(L);
        lua_rawseti(L, list, number);
    }
    f->id = 0;
    state_of(L)->nested--;
}

/* (letter, loop): the task of that number has ended */
static int settle(lua_State *L) {
    const struct posted *p = lua_touserdata(L, 1);
    const struct loop *l = lua_touserdata(L, 2);
    lua_Integer number = (lua_Integer)p->letter.number;
    push_kept(L, KEPT_NESTED); /* 3 */
    if (lua_rawgeti(L, 3, number) == LUA_TNIL)
        return 0;               /* it was forgotten */
    lua_rawgeti(L, 3, -number); /* 5 */
    struct future *f = lua_touserdata(L, 4);
    int n = push_end(L, l, f, 5, &p->letter);
    bool cancelled = p->letter.state == OUTCOME_FAILED && p->letter.code == TINE_ECANCELLED;
    forget(L, f, 3, number);
    f->phase = cancelled ? PHASE_CANCELLED : PHASE_FINISHED;
    tine__manual_end(L, f, 4, n);
    return 0;
}

static void push_closure(lua_State *L, lua_CFunction f) {
    push_upvalues(L);
    lua_pushcclosure(L, f, UP_LAST);
}

/* Deal with all that has come. With an error, its value is pushed: of memory, or a callback was interrupted. */
static int settle_all(lua_State *L, struct loop *l) {
    struct posted *p;
    int status = LUA_OK;
    luaL_checkstack(L, UP_LAST + 4, "results");
    while (status == LUA_OK && (p = tine__nest_next(l)) != NULL) {
        push_closure(L, settle);
        lua_pushlightuserdata(L, p);
        lua_pushlightuserdata(L, l);
        status = lua_pcall(L, 2, 0, 0);
        tine__posted_free(p);
    }
    return status;
}

static void take_in(lua_State *L, struct loop *l) {
    if (settle_all(L, l) != LUA_OK)
        lua_error(L);
}

void tine__nested_poll(lua_State *L) {
    struct loop *l = tine__nest_loop(L);
    if (!l || !l->channel->mail)
        return;
    tine__nest_poll(l);
    take_in(L, l);
}

/* --- waiting --- */

/* What `id` of such a future is until it has ended: the number, and the level of the task that has submitted it. */
#define LEVEL_BIT 48

static bool is_of_level(const struct future *f, unsigned level) {
    return f->id >> LEVEL_BIT == level;
}

static uint64_t number_of(const struct future *f) {
    return f->id & ((UINT64_C(1) << LEVEL_BIT) - 1);
}

/* The table of those that have not ended is on top: the next one from *number on, pushed; NULL and nothing: there is none. */
static struct future *next_nested(lua_State *L, const struct loop *l, uint64_t *number) {
    struct state *S = state_of(L);
    for (uint64_t n = *number > S->nested_first ? *number : S->nested_first; n <= l->numbers; n++) {
        if (lua_rawgeti(L, -1, (lua_Integer)n) != LUA_TNIL)
            return *number = n, lua_touserdata(L, -1);
        lua_pop(L, 1);
        S->nested_first += n == S->nested_first;
    }
    return NULL;
}

/* The numbers of those that are watched (tine.as_completed and the like), as far as there is room. */
static uint32_t collect_watched(lua_State *L, const struct loop *l,
                                uint64_t numbers[NESTED_AWAITED]) {
    const struct future *f;
    uint32_t n = 0;
    push_kept(L, KEPT_NESTED);
    for (uint64_t number = 0; n < NESTED_AWAITED && (f = next_nested(L, l, &number)); number++) {
        if (f->extras >= EXTRA_WATCH && is_of_level(f, l->level))
            numbers[n++] = number;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return n;
}

/* The numbers of those that the aim wants, and that the task which runs has submitted. */
static uint32_t collect(lua_State *L, const struct loop *l, const struct aim *aim,
                        uint64_t numbers[NESTED_AWAITED]) {
    const struct future *f = aim->future;
    if (!f)
        return collect_watched(L, l, numbers);
    if (!f->nested || !number_of(f) || !is_of_level(f, l->level))
        return 0;
    numbers[0] = number_of(f);
    return 1;
}

static int nothing(lua_State *L) {
    (void)L;
    return 0;
}

/* It was asked to end: the hook that says so raises at any call. */
static void heed(lua_State *L) {
    lua_pushcfunction(L, nothing);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        lua_error(L);
}

#define OFTEN 5000000u /* ns: pools of its own are looked at */

/* Those that the pool knows to be waited for. */
struct named {
    uint32_t n;
    uint64_t numbers[NESTED_AWAITED];
};

/* Has any of them not ended? */
static bool any_left(lua_State *L, const struct named *named) {
    bool left = false;
    push_kept(L, KEPT_NESTED);
    for (uint32_t i = 0; i < named->n && !left; i++) {
        left = lua_rawgeti(L, -1, (lua_Integer)named->numbers[i]) != LUA_TNIL;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return left;
}

/* Until the aim is met, or nothing more can come of it here. *status: of what was run meanwhile, with an error its value
** on top. */
static int wait_for(lua_State *L, struct waiting *w, const struct aim *aim, uint64_t deadline,
                    struct named *named, int *status) {
    struct named next;
    int err = 0;
    while (!err && *status == LUA_OK && !aim->met(aim)) {
        uint64_t waits = w->loop->waits;
        next.n = collect(L, w->loop, aim, next.numbers);
        if (next.n == 0)
            break;
        if (!w->said || !any_left(L, named)) {
            w->said = false;
            *named = next;
        }
        err = tine__nest_wait(w, next.numbers, next.n, deadline);
        *status = settle_all(L, w->loop);
        if (w->loop->waits != waits) /* a callback has waited, and does so no more */
            w->said = false;
    }
    return err;
}

bool tine__nested_await(lua_State *L, const struct aim *aim, uint64_t deadline) {
    struct named named = {0};
    struct waiting w;
    struct loop *l = tine__nest_loop(L);
    if (!l || !l->channel->mail || aim->any)
        return false;
    luaL_checkstack(L, 20, "wait");
    if (collect(L, l, aim, named.numbers) == 0)
        return false;
    if (state_of(L)->ncores > 0 && clock_deadline(OFTEN) < deadline)
        deadline = clock_deadline(OFTEN);
    if (tine__nest_begin(L, l, &w))
        tine__error(L, TINE_EINVALID, "no C stack is left for a task on top of this one");
    int status = LUA_OK, err = wait_for(L, &w, aim, deadline, &named, &status);
    if (status != LUA_OK) { /* its value is kept below what is ours */
        lua_insert(L, w.top + 1);
        w.top++;
    }
    tine__nest_end(L, &w, !any_left(L, &named));
    if (status != LUA_OK)
        lua_error(L);
    if (err == TINE_ECANCELLED)
        heed(L);
    else if (err && err != TINE_ETIMEOUT)
        tine__error(L, err, "%s", tine_error_text(err));
    return true;
}

void tine__nested_cancel(lua_State *L, struct future *f) {
    struct loop *l = tine__nest_loop(L);
    if (!l || !is_of_level(f, l->level))
        return;
    tine__nest_cancel(l, number_of(f));
    take_in(L, l);
}

/* --- submitting --- */

/* The task's name for labels: that of a global, if it is one. */
static const char *name_of(lua_State *L, int fn) {
    const char *name = "function";
    int top = lua_gettop(L);
    if (lua_type(L, fn) == LUA_TSTRING)
        return lua_tostring(L, fn);
    lua_pushglobaltable(L);
    for (lua_pushnil(L); lua_next(L, top + 1); lua_pop(L, 1))
        if (lua_rawequal(L, -1, fn) && lua_type(L, -2) == LUA_TSTRING) {
            name = lua_tostring(L, -2); /* stays: the globals table has it as a key */
            break;
        }
    lua_settop(L, top);
    return name;
}

/* Push the origin of the function at `fn`. */
static const struct codec_origin *push_origin(lua_State *L, int fn) {
    lua_Debug ar = {.short_src = ""};
    const char *name = name_of(L, fn);
    if (lua_isfunction(L, fn)) {
        lua_pushvalue(L, fn);
        lua_getinfo(L, ">S", &ar);
    }
    size_t n = strlen(name) + 1, source = strlen(ar.short_src) + 1;
    struct codec_origin *o = lua_newuserdatauv(L, sizeof *o + n + source, 0);
    char *text = (char *)(o + 1);
    *o = (struct codec_origin){memcpy(text, name, n), memcpy(text + n, ar.short_src, source),
                               ar.linedefined > 0 ? ar.linedefined : 0};
    return o;
}

static int append_text(struct buf *b, const char *text, size_t len, uint32_t *size) {
    *size = (uint32_t)len + 1;
    return buf_append(b, text, len) || buf_append(b, "", 1) ? TINE_ENOMEM : 0;
}

/* What is behind the call. */
static int append_texts(struct buf *b, const struct nested *v, const struct codec_origin *o,
                        struct nested_call *head) {
    int err = 0;
    if (head->set & SET_GROUP)
        err = append_text(b, v->settings->group, v->settings->group_len, &head->group);
    if (!err && v->label)
        err = append_text(b, v->label, v->label_len, &head->label);
    if (!err)
        err = append_text(b, o->name, strlen(o->name), &head->name);
    if (!err)
        err = append_text(b, o->source, strlen(o->source), &head->source);
    return err;
}

/* Encode the call at 2 with n arguments. 0, or a code with the message pushed. */
static int encode(lua_State *L, struct loop *l, const struct nested *v, int n,
                  const struct codec_origin *o, struct buf *b) {
    struct nested_call head = {.set = v->set, .line = o->line};
    int err = buf_append(b, &head, sizeof head);
    if (!err && v->set)
        err = buf_append(b, v->settings, sizeof *v->settings);
    size_t from = b->len;
    if (!err) {
        if ((err = tine__encode_function(L, l->run.codec, 2, b, NULL)))
            return err;
        head.function = (uint32_t)(b->len - from);
        if ((err = tine__encode_arguments(L, l->run.codec, 3, n, b)))
            return err;
        head.call = b->len - from;
        err = append_texts(b, v, o, &head);
    }
    if (err)
        return lua_pushstring(L, tine_error_text(TINE_ENOMEM)), TINE_ENOMEM;
    memcpy(b->data, &head, sizeof head);
    return 0;
}

/* The future at `idx` fails with the error and the traceback on top. */
static void fail(lua_State *L, struct future *f, int idx) {
    f->phase = PHASE_FINISHED;
    tine__manual_end(L, f, idx, -1);
}

/* Futures among the n arguments stand for their first results, which are waited for. False: one has failed, and the
** future at `idx` with it. */
static bool resolve(lua_State *L, struct future *f, int idx, int n) {
    for (int i = 3; i < 3 + n; i++) {
        struct future *needed = tine__to_future(L, i);
        if (!needed)
            continue;
        lua_getfield(L, i, "pcall");
        lua_pushvalue(L, i);
        lua_call(L, 1, 3); /* true, value; or false, error, traceback */
        if (!lua_toboolean(L, -3))
            return fail(L, f, idx), false;
        lua_pop(L, 1);
        lua_replace(L, i);
        lua_pop(L, 1);
    }
    return true;
}

static struct loop *check_loop(lua_State *L) {
    struct loop *l = tine__nest_loop(L);
    if (!l)
        tine__error(L, TINE_EINVALID, "tine.worker.pool is there for tasks, and none runs here");
    if (l->call->depth >= NESTED_MOST)
        tine__error(L, TINE_EINVALID,
                    "tasks may submit tasks to a depth of %d, which this one has reached",
                    (int)NESTED_MOST);
    return l;
}

static struct future *new_future(lua_State *L, const struct nested *v, int idx) {
    struct future *f = tine__future_new_manual(L);
    f->nested = true;
    f->phase = PHASE_RUNNING;
    if (v->label) {
        f->label = v->label;
        f->label_len = (uint32_t)v->label_len;
        lua_getiuservalue(L, 1, 1);
        tine__extras_set_label(L, f, idx, idx + 1);
        lua_pop(L, 1);
    }
    return f;
}

/* The state has it from now on by the number that it is going to get; its origin is on top. */
static void enter(lua_State *L, const struct loop *l, struct future *f, int idx) {
    lua_Integer number = (lua_Integer)l->numbers + 1;
    push_kept(L, KEPT_NESTED);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, -number);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, number);
    lua_pop(L, 2);
    f->id = (uint64_t)number | (uint64_t)l->level << LEVEL_BIT;
    state_of(L)->nested++;
}

/* --- submit --- */

/* Run the call in `b`, whose future is known by its number. */
static void submit_here(lua_State *L, struct loop *l, const struct nested *v,
                        const struct codec_origin *o, struct buf *b) {
    struct nested_call said;
    memcpy(&said, b->data, sizeof said);
    said.number = ++l->numbers;
    said.count = ++l->submitted;
    size_t at = sizeof said + (said.set ? sizeof *v->settings : 0);
    char *call = lua_newuserdatauv(L, said.call, 0); /* the buffer is used by others, too */
    memcpy(call, b->data + at, said.call);
    const struct nested_here here = {&said, v->settings, call, v->label, v->label_len, o};
    struct posted *p = tine__nested_run(L, l, &here);
    if (!p)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    p->letter.number = p->letter.id = said.number;
    p->next = l->letters;
    l->letters = p;
    take_in(L, l);
}

/* pool:submit(fn, ...) */
static int nested_submit(lua_State *L) {
    const struct nested *v = check(L);
    tine__check_task(L, 2);
    struct loop *l = check_loop(L);
    int n = lua_gettop(L) - 2, idx = n + 3;
    luaL_checkstack(L, 12, "too many arguments");
    struct future *f = new_future(L, v, idx);
    if (!resolve(L, f, idx, n))
        return lua_settop(L, idx), 1;
    const struct codec_origin *o = push_origin(L, 2);
    struct buf *b = l->channel->reply(l->channel);
    int err = encode(L, l, v, n, o, b);
    if (!err) {
        enter(L, l, f, idx);
        if (l->channel->mail)
            tine__nest_submit(l, b);
        else
            submit_here(L, l, v, o, b);
        return lua_settop(L, idx), 1;
    }
    l->channel->reply(l->channel);
    const struct task_name name = {.origin = o, .label = v->label, .label_len = f->label_len};
    tine__error_push(L, err, "%s", lua_tostring(L, -1));
    tine__error_set_task(L, &name, 0);
    lua_pushliteral(L, "");
    fail(L, f, idx);
    return lua_settop(L, idx), 1;
}

/* --- settings --- */

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
    const struct nested *from = check(L);
    tine__check_options(L, 2, known);
    lua_settop(L, 2);
    struct nested *v = new_view(L);
    v->set = from->set | read_set(L);
    if (tine__settings_read(L, 2, from->settings ? from->settings : &tine__settings_none,
                            &v->settings) &&
        !lua_isnil(L, -1))
        return luaL_argerror(L, 2, "option 'retry.when' is not there in a task");
    lua_settop(L, 3);
    int type = tine__option(L, 2, "label");
    if (type == LUA_TNIL)
        lua_getiuservalue(L, 1, 1);
    else if (type != LUA_TSTRING)
        tine__option_error(L, 2, "label", "a string");
    v->label = lua_tolstring(L, -1, &v->label_len);
    lua_setiuservalue(L, 3, 1);
    lua_settop(L, 3);
    return 1;
}

static int nested_gc(lua_State *L) {
    struct nested *v = check(L);
    tine__settings_unref(v->settings);
    v->settings = NULL;
    return 0;
}

static int nested_tostring(lua_State *L) {
    const struct nested *v = check(L);
    lua_pushfstring(L, "tine.worker.pool (%s)", v->label ? v->label : "no label");
    return 1;
}

/* --- the end of a task --- */

/* (level): what its task has submitted is cancelled. Callbacks may submit more. */
static int forget_level(lua_State *L) {
    const struct loop *l = tine__nest_loop(L);
    unsigned level = (unsigned)lua_tointeger(L, 1);
    struct future *f;
    push_kept(L, KEPT_NESTED);
    for (uint64_t number = 0; l && (f = next_nested(L, l, &number)); number++) {
        if (is_of_level(f, level)) { /* at 3 */
            forget(L, f, 2, (lua_Integer)number);
            f->phase = PHASE_CANCELLED;
            tine__error_push(L, TINE_ECANCELLED, "%s", tine_error_text(TINE_ECANCELLED));
            lua_pushliteral(L, "");
            tine__manual_end(L, f, 3, -1);
        }
        lua_settop(L, 2);
    }
    return 0;
}

static void forget_protected(lua_State *L, unsigned level) {
    int top = lua_gettop(L);
    if (!lua_checkstack(L, 10) || lua_rawgetp(L, LUA_REGISTRYINDEX, &forget_key) != LUA_TFUNCTION)
        return lua_settop(L, top);
    lua_pushinteger(L, (lua_Integer)level);
    (void)lua_pcall(L, 1, 0, 0);
    lua_settop(L, top);
}

void tine__nested_push(lua_State *L) {
    luaL_checkstack(L, UP_LAST + 4, "tine.worker.pool");
    push_closure(L, forget_level);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &forget_key);
    tine__nest_forget = forget_protected;
    new_view(L);
}

const luaL_Reg tine__nested_methods[] = {
    {"submit", nested_submit},
    {"try_submit", nested_submit},
    {"with", nested_with},
    {NULL, NULL},
};

const luaL_Reg tine__nested_meta[] = {
    {"__gc", nested_gc},
    {"__tostring", nested_tostring},
    {NULL, NULL},
};
