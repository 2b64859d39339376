/* What the files of the decoder share. */
#ifndef TINE_CODEC_DECODE_READER_H
#define TINE_CODEC_DECODE_READER_H

#include <lauxlib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hot.h"
#include "codec/decode/keys.h"

struct codec;

/* One that was taken apart. */
struct segment {
    const char *body;
    size_t len;
    const unsigned char *marks; /* u32 little endian each */
    uint32_t nmarks;
    bool globals;
};

/* What an open container of the message is. */
enum frame_kind {
    FRAME_TOP,     /* outside of all */
    FRAME_PENDING, /* an array whose first item decides what it is */
    FRAME_ROOT,    /* the array of arguments or results: items stay on the Lua stack */
    FRAME_ARRAY,
    FRAME_MAP,
    FRAME_TABLE, /* from here on: operations */
    FRAME_FUNCTION,
    FRAME_NAME,
    FRAME_OBJECT,
    FRAME_TEXT,
    FRAME_CLASS,
    FRAME_NOTE,
    FRAME_SOURCE,
    FRAME_SAME,     /* what a name stands for, and the same by value */
    FRAME_CHANGED,  /* something, and what is to be changed for the call */
    FRAME_STANDARD, /* a function of Lua's own */
    FRAME_SHARED,   /* a shared value */
    FRAME_KEPT,     /* a table, and what modules keep about it */
};

/* One for each level of nesting, in an array: the one before is what it lies in. */
struct frame {
    uint32_t n, i; /* items in all, items done */
    /* TABLE: array items; FUNCTION: upvalues; OBJECT: its ordinal; CLASS: known here; SAME: its ordinal. */
    uint32_t m;
    int at; /* stack index of the table or function */
    uint8_t kind;
    uint8_t env; /* FUNCTION: number of its call environment */
    bool marked; /* OBJECT: something points back to it */
    bool key;    /* MAP: a key is to come, and may be one that comes again */
    /* FUNCTION: how many of its globals are its environment's own; are read as _G.name. */
    uint32_t own, by_g;
};

struct mark_list {
    const unsigned char *p, *end;
};

struct reader {
    lua_State *L;
    struct codec *c;
    struct frame *frame; /* the innermost */
    uint32_t ordinal;    /* of the next object */
    uint32_t next;       /* the next ordinal that something points back to */
    struct mark_list marks[2];
    size_t budget;        /* items that the rest of the segment can hold */
    int self, refs, envs; /* stack indices: state table, marked objects, call environments */
    int places;           /* of keys, on the stack */
    struct keys keys;
    bool globals;    /* call environments occur */
    bool values;     /* the body is an array of values */
    bool rooted;     /* and it was one */
    bool handled;    /* the item needed nothing on the stack */
    bool call;       /* it is a call: what comes may change modules as long as that lasts, */
    bool lasts;      /* unless it is there for others, too */
    bool lenient;    /* names that stand for nothing are nil: an error is being read */
    bool note, held; /* what came as the value of a global */
    uint8_t why;     /* enum wire_held */
    uint32_t nvalues;
    uint32_t pending; /* changes in ST_PENDING */
};

/* The object on top is the next one of the message; `parent` is what it lies in. */
void tine__keep_object(struct reader *r, const struct frame *parent);
static inline void number_object(struct reader *r, const struct frame *parent) {
    if (unlikely(r->ordinal == r->next))
        tine__keep_object(r, parent);
    r->ordinal++;
}
/* Something points back to these ordinals, from r->ordinal on, of two segments that are read one after the other. */
void tine__start_marks(struct reader *r, struct mark_list a, struct mark_list b);
/* Step to the next marked ordinal. */
void tine__next_mark(struct reader *r);

/* ---- parser.c ---- */

/* The codec's own reader, or another one where that is in use; pushed above the state table, which lies at `self`. An error
** may pass through whoever has it: then it is not used again. */
struct reader *tine__reader_take(lua_State *L, struct codec *c, int self);
void tine__reader_put_back(struct reader *r);
/* Push what the body of the segment holds, whose marks are started: a value, or with `values` an array of values, one by
** one (r->nvalues). */
void tine__reader_read(struct reader *r, const struct segment *s, bool values);

/* ---- operation.c ---- */

/* The marker of an operation came as the first item of the frame. */
void tine__op_begin(struct reader *r, struct frame *f, unsigned op);
/* An item of it came (and lies on top). */
void tine__op_item(struct reader *r, struct frame *f);
void tine__op_end(struct reader *r, struct frame *f);

static inline int tine__malformed(struct reader *r, const char *what) {
    return luaL_error(r->L, "malformed message: %s", what);
}

/* The item on top must be a string. */
static inline void string_item(struct reader *r) {
    if (lua_type(r->L, -1) != LUA_TSTRING)
        tine__malformed(r, "a name that is no string");
}

#endif
