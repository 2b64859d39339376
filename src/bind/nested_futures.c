/* tine.worker.pool: the futures of nested tasks: their ends, waiting for them, and forgetting them
** when the task that submitted them ends.
*/
#include <string.h>
#include "base/clock.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/nested.h"
#include "bind/values.h"
#include "msg/label.h"
#include "worker/task/task_error.h"

static const char forget_key, settle_key; /* registry keys of functions */

/* --- results --- */

/* Read the failure in the letter. Its texts stay in the letter. */
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

/* The letter's result as an outcome, which borrows from the letter and from `f`. */
static struct outcome outcome_of(const struct letter *letter, struct failure *f) {
    struct outcome o = {.state = (uint8_t)letter->state,
                        .code = (int16_t)letter->code,
                        .storage = STORE_KEPT,
                        .readers = 1}; /* so that nobody frees it */
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

/* Push the result of the future at `idx`: returns the number of values, or -1 for error and
** traceback. A result for which the task has not memory enough is an error of memory: that counts
** as the task's own if it raises it (tine__memory_was_short). */
static int push_end(lua_State *L, const struct loop *l, int idx, int origin,
                    const struct letter *letter) {
    struct core core = {.codec = l->run.codec};
    struct failure failure;
    struct outcome o = outcome_of(letter, &failure);
    struct task_name name = tine__future_name(L, lua_touserdata(L, idx), idx);
    name.id = letter->id;
    name.origin = lua_touserdata(L, origin);
    if (letter->state != OUTCOME_VALUES) {
        tine__failure_push(L, &core, &o, &name, 0);
        return -1;
    }
    int n = tine__values_push(L, &core, &o, &name, 0);
    if (n >= 0)
        return n;
    lua_pushliteral(L, "");
    return -1;
}

/* Remove the task of this number from the table at `list`. */
static void forget(lua_State *L, struct future *f, int list, lua_Integer number) {
    for (int i = 0; i < 2; i++, number = -number) {
        lua_pushnil(L);
        lua_rawseti(L, list, number);
    }
    f->id = 0;
    state_of(L)->nested--;
}

/* Function (letter, loop): end the future of the letter's task. It is forgotten when it ends, and
** not before: until then an error leaves it as it was. */
static int settle(lua_State *L) {
    const struct posted *p = lua_touserdata(L, 1);
    const struct loop *l = lua_touserdata(L, 2);
    lua_Integer number = (lua_Integer)p->letter.number;
    push_kept(L, KEPT_NESTED); /* index 3 */
    if (lua_rawgeti(L, 3, number) == LUA_TNIL)
        return 0;               /* the future was forgotten */
    lua_rawgeti(L, 3, -number); /* index 5 */
    struct future *f = lua_touserdata(L, 4);
    int n = push_end(L, l, 4, 5, &p->letter);
    bool cancelled = p->letter.state == OUTCOME_FAILED && p->letter.code == TINE_ECANCELLED;
    luaL_checkstack(L, 1, "too many results");
    tine__manual_prepare(L, f, 4, n);
    forget(L, f, 3, number);
    tine__manual_end(L, f, 4, n, cancelled ? PHASE_CANCELLED : PHASE_FINISHED);
    return 0;
}

/* Handle all letters that have come. Returns the status; an error (of memory, or an interrupt in a
** callback) is pushed. The letter remains then: a task that catches the error may wait again, and
** the letter of a future that has ended is of no effect. Nothing raises here, since a wait must
** come to its end. */
static int settle_all(lua_State *L, struct loop *l) {
    struct posted *p;
    int status = LUA_OK;
    while (status == LUA_OK && (p = tine__nest_next(l)) != NULL) {
        lua_rawgetp(L, LUA_REGISTRYINDEX, &settle_key);
        lua_pushlightuserdata(L, p);
        lua_pushlightuserdata(L, l);
        status = lua_pcall(L, 2, 0, 0);
        if (status == LUA_OK)
            tine__posted_free(p);
        else
            tine__nest_again(l, p);
    }
    return status;
}

void tine__nested_take_in(lua_State *L, struct loop *l) {
    luaL_checkstack(L, 4, "results");
    if (settle_all(L, l) != LUA_OK)
        lua_error(L);
}

void tine__nested_poll(lua_State *L) {
    struct loop *l = tine__nest_loop(L);
    if (!l || !l->channel->mail)
        return;
    tine__nest_poll(l);
    tine__nested_take_in(L, l);
}

/* --- waiting --- */

static bool is_of_level(const struct future *f, unsigned level) {
    return f->id >> NESTED_LEVEL_BIT == level;
}

static uint64_t number_of(const struct future *f) {
    return f->id & ((UINT64_C(1) << NESTED_LEVEL_BIT) - 1);
}

/* Push the next unfinished future, from *number on, of the table on top. NULL, and nothing pushed:
** there is none. */
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

/* Collect the numbers of futures that are watched (tine.as_completed and the like), as many as
** fit. */
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

/* May the future end as a consequence of nested tasks? A manual future may be completed by a
** callback, and a task of another pool may wait for a nested future's result. */
static bool may_follow(lua_State *L, const struct future *f) {
    return !f->nested && (!f->core || state_of(L)->promised > 0);
}

/* Collect the numbers of the futures that the aim needs and that the running task has submitted. */
static uint32_t collect(lua_State *L, const struct loop *l, const struct aim *aim,
                        uint64_t numbers[NESTED_AWAITED]) {
    const struct future *f = aim->future;
    if (!f || may_follow(L, f))
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

/* The task was asked to end: the hook that does it raises at the next call. */
static void heed(lua_State *L) {
    lua_pushcfunction(L, nothing);
    if (lua_pcall(L, 0, 0, 0) != LUA_OK)
        lua_error(L);
}

#define OFTEN 5000000u /* ns: how often pools that the task has opened itself are looked at */

/* The tasks that the worker has told its pool it waits for. */
struct named {
    uint32_t n;
    uint64_t numbers[NESTED_AWAITED];
};

/* Is one of them unfinished? */
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

/* Wait until the aim is met, or until nothing more can be done here. *status: how the callbacks
** ended; if not LUA_OK, their error value is pushed. */
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
        if (w->loop->waits != waits) /* a callback has waited, and told the pool other futures */
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
    tine__nested_check_encoding(L, l);
    if (state_of(L)->ncores > 0 && clock_deadline(OFTEN) < deadline)
        deadline = clock_deadline(OFTEN);
    if (tine__nest_begin(L, l, &w))
        tine__error(L, TINE_EINVALID, "no C stack is left for a task on top of this one");
    int status = LUA_OK, err = wait_for(L, &w, aim, deadline, &named, &status);
    if (status != LUA_OK) { /* keep the error below the values of this wait */
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
    tine__nested_check_encoding(L, l);
    tine__nest_cancel(l, number_of(f));
    tine__nested_take_in(L, l);
}

void tine__nested_check_encoding(lua_State *L, const struct loop *l) {
    if (l->run.encoding)
        tine__error(L, TINE_EINVALID,
                    "tine.worker.pool in an encode function, while a result or a call is encoded");
}

/* --- the end of a task --- */

/* Function (level): cancel and forget what the task of this level has submitted. Callbacks that run
** here may submit more. */
static int forget_level(lua_State *L) {
    const struct loop *l = tine__nest_loop(L);
    unsigned level = (unsigned)lua_tointeger(L, 1);
    struct future *f;
    push_kept(L, KEPT_NESTED);
    for (uint64_t number = 0; l && (f = next_nested(L, l, &number)); number++) {
        if (is_of_level(f, level)) { /* index 3 */
            tine__error_push(L, TINE_ECANCELLED, "%s", tine_error_text(TINE_ECANCELLED));
            lua_pushliteral(L, "");
            tine__manual_prepare(L, f, 3, -1);
            forget(L, f, 2, (lua_Integer)number);
            tine__manual_end(L, f, 3, -1, PHASE_CANCELLED);
        }
        lua_settop(L, 2);
    }
    tine__task_error_forget(L); /* errors that the task has caught */
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

static void register_closure(lua_State *L, lua_CFunction f, const void *key) {
    push_upvalues(L);
    lua_pushcclosure(L, f, UP_LAST);
    lua_rawsetp(L, LUA_REGISTRYINDEX, key);
}

void tine__nested_prepare(lua_State *L) {
    register_closure(L, forget_level, &forget_key);
    register_closure(L, settle, &settle_key);
    tine__nest_forget = forget_protected;
}
