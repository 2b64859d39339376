/* What the two files of the decoder share. */
#ifndef TINE_CODEC_READER_H
#define TINE_CODEC_READER_H

#include "codec/internal.h"
#include "codec/keys.h"

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
    uint32_t own,
        by_g; /* FUNCTION: how many of its globals are its environment's own; are read as _G.name */
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
/* Step to the next marked ordinal. */
void tine__next_mark(struct reader *r);

/* The marker of an operation came as the first item of the frame. */
void tine__op_begin(struct reader *r, struct frame *f, unsigned op);
/* An item of it came (and lies on top). */
void tine__op_item(struct reader *r, struct frame *f);
void tine__op_end(struct reader *r, struct frame *f);
/* Extensions with a meaning only inside of functions. */
void tine__op_upref(struct reader *r, const unsigned char *p);
void tine__op_env(struct reader *r, unsigned number);
/* The table on top is the call environment of that number, and the upvalue _ENV that comes now. */
void tine__op_env_of(struct reader *r, unsigned number);
void tine__op_held(struct reader *r, unsigned why);

static inline int tine__malformed(struct reader *r, const char *what) {
    return luaL_error(r->L, "malformed message: %s", what);
}

/* ---- resolve.c ---- */

/* Replace what lies from stack index `first` to the top (module, kind, check, steps) by what it names. */
void tine__resolve_name(struct reader *r, struct frame *f, int first);
/* Replace the name on top by Lua's own function of that name. */
void tine__resolve_standard(struct reader *r);
/* Push what package.loaded has of the module named at `name`, or what `require` gives. The status of lua_pcall, with the
** error's text pushed. */
int tine__push_module(lua_State *L, int name);
/* Replace the text on top by the function it names. */
void tine__resolve_text(struct reader *r);
/* Has this process the global whose name is at `name`? */
bool tine__has_global(lua_State *L, int name);

/* ---- apply.c ---- */

/* A table (or the name of one of Lua's libraries), the path and the value of a field are on top, and taken: when all is
** read, it is set for this call. */
void tine__await_change(struct reader *r);
void tine__apply_changes(struct reader *r);

/* ---- source.c ---- */

/* Replace the Lua source on top by the function of that chunk. */
void tine__load_source(struct reader *r);

/* ---- shared.c ---- */

/* Push what came of the shared value of that id; false, and nothing: it has not come yet, and *out is its segment. */
bool tine__shared_push(struct reader *r, lua_Integer id, struct codec_code *out);
/* The value on top is what came of it: the same object for all calls from now on. */
void tine__shared_keep(struct reader *r, lua_Integer id);

/* ---- same.c ---- */

/* What this process has is at `own` (nil: nothing), what came at `copy`, on top: leave the one to be taken in place of
** both. Ordinals of the copy's parts start at `from`. */
void tine__take_same(struct reader *r, int own, int copy, uint32_t from);

#endif
