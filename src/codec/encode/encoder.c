/* The encoder's record of the message: references to objects that the message has already, marks of
** the objects that are referred to, and going back to an earlier state.
*/
#include <lua.h>
#include "base/hot.h"
#include "base/sys.h"
#include "codec/encode/encoder.h"
#include "codec/encode/seen.h"
#include "codec/pack.h"
#include "codec/state.h"
#include "codec/wire.h"

static int add_mark(struct encoder *e, uint32_t ordinal) {
    if (e->nmarks == e->marks_cap) {
        uint32_t cap = e->marks_cap ? e->marks_cap * 2 : 32;
        uint32_t *marks = sys.realloc(e->marks, cap * sizeof *marks);
        if (!marks)
            return tine__encode_nomem(e);
        e->marks = marks;
        e->marks_cap = cap;
    }
    e->marks[e->nmarks++] = ordinal;
    return 0;
}

struct encode_point tine__encode_mark(const struct encoder *e) {
    return (struct encode_point){e->out->len, e->seen.len, e->nmarks,
                                 e->ordinals, e->nenvs,    e->levels};
}

void tine__encode_rewind(struct encoder *e, const struct encode_point *p) {
    e->out->len = p->len;
    seen_cut(&e->seen, p->seen);
    e->nmarks = p->nmarks;
    e->ordinals = p->ordinals;
    e->nenvs = p->nenvs;
    e->levels = p->levels;
    /* Marks made since the point are gone, but which flags they set is not known: clear all. A mark
    ** that is made twice does no harm (tidy_marks). */
    for (uint32_t i = 0; i < e->seen.len; i++)
        e->seen.entries[i].marked = false;
}

/* ---- references ---- */

int tine__encode_ref(struct encoder *e, struct seen_entry *s) {
    int err = encode_room(e, PACK_MAX);
    if (err)
        return err;
    if (!s->marked) {
        if ((err = add_mark(e, s->ordinal)))
            return err;
        s->marked = true;
    }
    char bytes[5];
    put_be32(bytes, s->ordinal);
    bytes[4] = (char)s->upvalue;
    if (s->upvalue) {
        pack_ext(e->out, 5, EXT_UPREF);
        pack_ext_body(e->out, bytes, 5);
    } else {
        pack_ext(e->out, 4, EXT_REF);
        pack_ext_body(e->out, bytes, 4);
    }
    return 0;
}

int tine__encode_env_ref(struct encoder *e, struct seen_entry *s, unsigned number) {
    int err = encode_room(e, PACK_MAX);
    if (err || (!s->marked && (err = add_mark(e, s->ordinal))))
        return err;
    s->marked = true;
    char bytes[5];
    put_be32(bytes, s->ordinal);
    bytes[4] = (char)number;
    pack_ext(e->out, 5, EXT_ENV_OF);
    pack_ext_body(e->out, bytes, 5);
    return 0;
}

/* Between the function segment and an argument segment any code may run, and the collector with it.
** So an address in the function segment may be another object's by now. The weak table has the
** objects themselves. */
bool tine__encode_same(struct encoder *e, const struct seen_entry *s, int idx) {
    lua_State *L = e->L;
    if (!e->arguments || s >= e->seen.entries + e->fn_seen)
        return true;
    encode_push_weak(e);
    lua_rawgeti(L, -1, (lua_Integer)s->ordinal + 1);
    bool same = s->upvalue ? lua_isfunction(L, -1) && lua_upvalueid(L, -1, s->upvalue) == s->key
                           : lua_rawequal(L, -1, idx);
    lua_pop(L, 2);
    return same;
}

void tine__encode_number(struct encoder *e, struct seen_entry *s, int idx) {
    s->ordinal = e->ordinals++;
    if (e->weak) {
        lua_pushvalue(e->L, idx);
        lua_rawseti(e->L, e->weak, (lua_Integer)s->ordinal + 1);
    }
}

int tine__encode_met(struct encoder *e, struct seen_entry *s, int idx, const struct step *step,
                     bool *found) {
    const void *p = s->key;
    if (likely(tine__encode_same(e, s, idx))) {
        if (s->kind == SEEN_OPEN)
            return tine__encode_fail(
                e, step, "cannot send a value whose encoded form holds the value itself");
        return tine__encode_ref(e, s);
    }
    /* The old object is dead. Its entry stays where it is, with a key that no object of a message
    ** has. */
    s->key = e;
    return tine__seen_put(&e->seen, p, found) ? 0 : tine__encode_nomem(e);
}

/* ---- operations and extensions ---- */

int tine__encode_op(struct encoder *e, unsigned count, enum wire_op op) {
    int err = encode_room(e, PACK_MAX);
    if (err)
        return err;
    pack_array(e->out, count);
    pack_bytes(e->out, (unsigned char[]){0xd4, EXT_OP, (unsigned char)op}, 3);
    return 0;
}

int tine__encode_ext(struct encoder *e, unsigned char type, unsigned byte) {
    int err = encode_room(e, PACK_MAX);
    if (!err)
        pack_bytes(e->out, (unsigned char[]){0xd4, type, (unsigned char)byte}, 3);
    return err;
}

int tine__encode_held(struct encoder *e, enum wire_held why) {
    return tine__encode_ext(e, EXT_HELD, why);
}
