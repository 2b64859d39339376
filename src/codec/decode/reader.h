/* The state of the decoder, which its files share. */
#ifndef TINE_CODEC_DECODE_READER_H
#define TINE_CODEC_DECODE_READER_H

#include <lauxlib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hot.h"
#include "codec/decode/keys.h"

struct codec;

/* A segment, taken apart. */
struct segment {
    const char *body;
    size_t len;
    const unsigned char *marks; /* u32 each, little endian */
    uint32_t nmarks;
    bool globals;
};

/* Kinds of open containers. From FRAME_TABLE on they are operations (codec.h). */
enum frame_kind {
    FRAME_TOP,     /* outside of everything */
    FRAME_PENDING, /* an array whose first item has not come yet */
    FRAME_ROOT,    /* array of arguments or results: its items stay on the stack */
    FRAME_ARRAY,
    FRAME_MAP,
    FRAME_TABLE,
    FRAME_FUNCTION,
    FRAME_NAME,
    FRAME_OBJECT,
    FRAME_TEXT,
    FRAME_CLASS,
    FRAME_NOTE,
    FRAME_SOURCE,
    FRAME_SAME,
    FRAME_CHANGED,
    FRAME_STANDARD,
    FRAME_SHARED,
    FRAME_KEPT,
};

/* An open container. There is one for each level of nesting, in an array: frame[-1] is the
** container that it is in. */
struct frame {
    uint32_t n, i; /* items in all (a map: pairs), and items done */
    /* TABLE: array items; FUNCTION: upvalues; OBJECT: its ordinal; CLASS: a class of this name is
    ** registered here; SAME: ordinal of the first object in the value. */
    uint32_t m;
    int at; /* stack index of the table or function, or of the first item */
    uint8_t kind;
    uint8_t env; /* FUNCTION, TABLE: number of the call environment; 0: none */
    bool marked; /* OBJECT: something refers to it */
    bool key;    /* MAP: the next item is a key, and the map is small */
    /* FUNCTION: how many of its globals the environment's table itself held at the sender; how many
    ** are read as _G.name. */
    uint32_t own, by_g;
};

struct mark_list {
    const unsigned char *p, *end;
};

struct reader {
    lua_State *L;
    struct codec *c;
    struct frame *frame; /* the innermost one */
    uint32_t ordinal;    /* ordinal of the next object */
    uint32_t next;       /* the next marked ordinal; UINT32_MAX: none */
    struct mark_list marks[2];
    size_t budget; /* items that the rest of the segment may have */
    /* Stack indices: state table, marked objects by ordinal + 1, call environments; 0: none. */
    int self, refs, envs;
    int places; /* stack slots that `keys` uses */
    struct keys keys;
    bool globals;    /* call environments occur in the message */
    bool values;     /* the body is an array of values */
    bool rooted;     /* the body has begun as an array */
    bool handled;    /* the current upvalue has been set already */
    bool call;       /* the values are for a call, not of a result or an error */
    bool lasts;      /* they outlive a call: a result, an error, a shared value */
    bool lenient;    /* an error is read: names that stand for nothing are nil */
    bool note, held; /* the current value is a note; has stayed with the sender, */
    uint8_t why;     /* and why: enum wire_held */
    uint32_t nvalues;
    uint32_t pending; /* changes in the list of pending changes (apply.c) */
    uint32_t around;  /* a shared value is read: so many others are being read around it */
};

/* Keep the object on top, which has the next ordinal, since something refers to it. `parent` is the
** container that it is in. */
void tine__keep_object(struct reader *r, const struct frame *parent);
/* Give the object on top the next ordinal. */
static inline void number_object(struct reader *r, const struct frame *parent) {
    if (unlikely(r->ordinal == r->next))
        tine__keep_object(r, parent);
    r->ordinal++;
}
/* Begin with the marks of two segments that are read one after the other. */
void tine__start_marks(struct reader *r, struct mark_list a, struct mark_list b);
/* Set r->next to the next marked ordinal after r->ordinal. */
void tine__next_mark(struct reader *r);

/* ---- decode.c ---- */

/* Push the shared value with this segment, which the message being read names. Raises. */
void tine__reader_shared(struct reader *r, const char *p, size_t len);

/* ---- parser.c ---- */

/* Take the codec's reader, or make a new one if it is in use, and push it above the state table,
** which is on top, at `self`. If an error passes through, the reader is not put back, and not used
** again. */
struct reader *tine__reader_take(lua_State *L, struct codec *c, int self);
/* Put the reader back, for the next message. */
void tine__reader_put_back(struct reader *r);
/* Push what the segment's body holds: a value, or, with `values`, an array of values, one by one
** (r->nvalues of them). Its marks have been begun. Raises. */
void tine__reader_read(struct reader *r, const struct segment *s, bool values);

/* ---- operation.c ---- */

/* The first item of the frame is the marker of operation `op`. */
void tine__op_begin(struct reader *r, struct frame *f, unsigned op);
/* An item of the operation has come, and is on top. */
void tine__op_item(struct reader *r, struct frame *f);
/* All items of the operation have come: replace them by its result. */
void tine__op_end(struct reader *r, struct frame *f);

static inline int tine__malformed(struct reader *r, const char *what) {
    return luaL_error(r->L, "malformed message: %s", what);
}

/* Check that the item on top is a string. */
static inline void string_item(struct reader *r) {
    if (lua_type(r->L, -1) != LUA_TSTRING)
        tine__malformed(r, "a name that is no string");
}

#endif
