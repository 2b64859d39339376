/* tine.worker.pool: submitting. */
#include <string.h>
#include "base/buf.h"
#include "bind/errors.h"
#include "bind/extras.h"
#include "bind/nested.h"
#include "bind/submit.h"
#include "msg/label.h"
#include "msg/origin.h"
#include "worker/process/process.h"

/* --- the call --- */

/* Push a userdata with the origin of the function at `fn`; returns the origin. */
static const struct codec_origin *push_origin(lua_State *L, int fn) {
    lua_Debug ar = {.short_src = ""};
    const char *name =
        lua_type(L, fn) == LUA_TSTRING ? lua_tostring(L, fn) : tine__global_name(L, fn);
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

/* Append the texts that follow the call. */
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

/* Append the function at 2, whose length is *function, and the `n` arguments behind it. 0, or a code
** with the message pushed. */
static int append_call(lua_State *L, struct codec *c, int n, struct buf *b, uint32_t *function) {
    size_t from = b->len;
    int err, times = 0;
    do {
        if (times > 0) { /* a finalizer has encoded something in between, an event for instance */
            lua_pop(L, 1);
            b->len = from;
        }
        if ((err = tine__encode_function(L, c, 2, b, NULL)))
            return err;
        *function = (uint32_t)(b->len - from);
        err = tine__encode_arguments(L, c, tine__codec_function(c), 3, n, b);
    } while (err == CODEC_AGAIN && ++times < CODEC_AGAIN_MOST);
    return err == CODEC_AGAIN ? TINE_ESERIALIZE : err;
}

/* Encode the call at 2 with `n` arguments. 0, or a code with the message pushed. */
static int encode(lua_State *L, struct loop *l, const struct nested *v, int n,
                  const struct codec_origin *o, struct buf *b) {
    struct nested_call head = {.set = v->set, .line = o->line};
    int err = buf_append(b, &head, sizeof head);
    if (!err && v->set)
        err = buf_append(b, v->settings, sizeof *v->settings);
    size_t from = b->len;
    if (!err) {
        if ((err = append_call(L, l->run.codec, n, b, &head.function)))
            return err;
        head.call = b->len - from;
        err = append_texts(b, v, o, &head);
    }
    if (err)
        return lua_pushstring(L, tine_error_text(TINE_ENOMEM)), TINE_ENOMEM;
    memcpy(b->data, &head, sizeof head);
    return 0;
}

struct coding {
    struct loop *loop;
    const struct nested *view;
    int n;
    const struct codec_origin *origin;
    struct buf *b;
    int err;
};

/* Push a userdata with a copy of the call in `b`. */
static void push_call(lua_State *L, const struct nested *v, const struct buf *b) {
    struct nested_call said;
    memcpy(&said, b->data, sizeof said);
    size_t at = sizeof said + (said.set ? sizeof *v->settings : 0);
    memcpy(lua_newuserdatauv(L, said.call, 0), b->data + at, said.call);
}

/* (view, function, arguments..., coding) -> the message, if there is one; else, if the call will run
** in this process, a copy of it, because the buffer will be reused */
static int encode_coding(lua_State *L) {
    struct coding *p = lua_touserdata(L, -1);
    p->err = encode(L, p->loop, p->view, p->n, p->origin, p->b);
    if (p->err || p->loop->channel->mail)
        return p->err ? 1 : 0;
    push_call(L, p->view, p->b);
    return 1;
}

/* The same as `encode`, protected, so that an error leaves the loop intact; and meanwhile no
** finalizer can submit, which would use the same buffer. Pushes what encode_coding returns, or
** nil. */
static int encode_protected(lua_State *L, struct coding *p) {
    luaL_checkstack(L, p->n + 4, "too many arguments");
    lua_pushcfunction(L, encode_coding);
    for (int i = 1; i <= p->n + 2; i++)
        lua_pushvalue(L, i);
    lua_pushlightuserdata(L, p);
    p->loop->run.encoding = true;
    int status = lua_pcall(L, p->n + 3, 1, 0);
    p->loop->run.encoding = false;
    if (status != LUA_OK)
        lua_error(L);
    return p->err;
}

/* End the future at `idx` as `phase`, with the error and the traceback on top. */
static void fail(lua_State *L, struct future *f, int idx, enum phase phase) {
    tine__manual_prepare(L, f, idx, -1);
    tine__manual_end(L, f, idx, -1, phase);
}

/* How a future ends whose argument `needed` has failed. */
static enum phase phase_as(const struct future *needed) {
    return tine__future_cancelled(needed) ? PHASE_CANCELLED : PHASE_FINISHED;
}

/* Replace futures among the `n` arguments by their first results, waiting for them. False: one has
** failed or was cancelled, and the future at `idx` was ended in the same way. */
static bool resolve(lua_State *L, struct future *f, int idx, int n) {
    for (int i = 3; i < 3 + n; i++) {
        struct future *needed = tine__to_future(L, i);
        if (!needed)
            continue;
        lua_getfield(L, i, "pcall");
        lua_pushvalue(L, i);
        lua_call(L, 1, 3); /* [true, value] or [false, error, traceback] */
        if (!lua_toboolean(L, -3))
            return fail(L, f, idx, phase_as(needed)), false;
        lua_pop(L, 1);
        lua_replace(L, i);
        lua_pop(L, 1);
    }
    return true;
}

static struct loop *check_loop(lua_State *L) {
    struct loop *l = tine__nest_loop(L);
    if (!l && process_is_foreign())
        tine__error(L, TINE_EFORKED, "this pool belongs to the parent process");
    if (!l)
        tine__error(L, TINE_EINVALID, "tine.worker.pool is there for tasks, and none runs here");
    tine__nested_check_encoding(L, l);
    /* its submitter would not know of them, and this host's limits would not apply to them */
    if (l->call->far)
        tine__error(L, TINE_EINVALID,
                    "tine.worker.pool is not there for a task that came from another machine");
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
        lua_getiuservalue(L, 1, 1);
        tine__extras_set_label(L, f, idx, idx + 1);
        lua_pop(L, 1);
    }
    return f;
}

/* Enter the future into the state's table, under the number that its task will get. Its origin is
** on top (popped). */
static void enter(lua_State *L, const struct loop *l, struct future *f, int idx) {
    lua_Integer number = (lua_Integer)l->numbers + 1;
    push_kept(L, KEPT_NESTED);
    lua_pushvalue(L, -2);
    lua_rawseti(L, -2, -number);
    lua_pushvalue(L, idx);
    lua_rawseti(L, -2, number);
    lua_pop(L, 2);
    f->id = nested_id((uint64_t)number, l->level);
    state_of(L)->nested++;
}

/* --- submitting --- */

/* Run the call in `b`, of which a copy is on top; its future is in the state's table. */
static void submit_here(lua_State *L, struct loop *l, const struct nested *v,
                        const struct codec_origin *o, struct buf *b) {
    struct nested_call said;
    memcpy(&said, b->data, sizeof said);
    said.number = ++l->numbers;
    said.count = ++l->submitted;
    const struct nested_here here = {&said,    v->settings,  lua_touserdata(L, -1),
                                     v->label, v->label_len, o};
    struct posted *p = tine__nested_run(L, l, &here);
    if (!p)
        tine__error(L, TINE_ENOMEM, "%s", tine_error_text(TINE_ENOMEM));
    p->letter.number = p->letter.id = said.number;
    p->next = l->letters;
    l->letters = p;
    tine__nested_take_in(L, l);
}

struct nested *tine__check_nested(lua_State *L) {
    struct nested *v = luaL_checkudata(L, 1, "tine.nested");
    if (v->set && !v->settings) /* an older object is finalized after it, and may still have it */
        tine__error(L, TINE_EINVALID, "this view of the pool has been finalized");
    return v;
}

int tine__nested_submit(lua_State *L) {
    const struct nested *v = tine__check_nested(L);
    tine__check_task(L, 2, "submit");
    struct loop *l = check_loop(L);
    int n = lua_gettop(L) - 2, idx = n + 3;
    luaL_checkstack(L, 12, "too many arguments");
    struct future *f = new_future(L, v, idx);
    if (!resolve(L, f, idx, n))
        return lua_settop(L, idx), 1;
    const struct codec_origin *o = push_origin(L, 2);
    struct buf *b = l->channel->reply(l->channel);
    int err = encode_protected(L, &(struct coding){l, v, n, o, b, 0});
    if (!err) {
        lua_insert(L, idx + 1); /* below the origin */
        enter(L, l, f, idx);
        if (l->channel->mail)
            tine__nest_submit(l, b);
        else
            submit_here(L, l, v, o, b);
        return lua_settop(L, idx), 1;
    }
    l->channel->reply(l->channel);
    const struct task_name name = {
        .origin = o, .label = v->label, .label_len = (uint32_t)v->label_len};
    tine__error_push(L, err, "%s", lua_tostring(L, -1));
    tine__error_set_task(L, &name, 0);
    lua_pushliteral(L, "");
    fail(L, f, idx, PHASE_FINISHED);
    return lua_settop(L, idx), 1;
}
