/* The encoder, and where it is. */
#ifndef TINE_CODEC_ENCODE_ENCODER_H
#define TINE_CODEC_ENCODE_ENCODER_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/hot.h"
#include "codec/encode/seen.h"
#include "codec/wire.h"

struct code;
struct codec;

/* Where the encoder is, from the innermost outwards: a list on the C stack, read when it fails. */
struct step {
    const struct step *up;
    enum step_kind {
        STEP_ARGUMENT, /* n: its number */
        STEP_RESULT,   /* n */
        STEP_ERROR,    /* the error value */
        STEP_SHARED,   /* the value that is shared */
        STEP_CHANGE, /* at: the path; n: stack index of the module's name, or minus the number of a name in it */
        STEP_KEY,      /* at: stack index of the key */
        STEP_INDEX,    /* n: an array item */
        STEP_KEY_SELF, /* the key itself */
        STEP_UPVALUE,  /* at: the function, n: which */
        STEP_METATABLE,
        STEP_KEPT,    /* n: the number of the name of the table that keeps it */
        STEP_GLOBAL,  /* at: the name */
        STEP_ENCODED, /* at: the class's name */
        STEP_DECODE,  /* at: the class's name */
    } kind;
    int at;
    lua_Integer n;
};

/* Lua stack: a plain table takes two slots, so room is made only at every so many levels. Whatever
** takes more makes room itself. */
#define STACK_LEVELS 16
#define STACK_ROOM 64

#define ENCODE_AGAIN (-1000)   /* a module was loaded meanwhile: start the segment again */
#define ENCODE_ENDLESS (-1001) /* TINE_ESERIALIZE, and nothing goes without what failed */

struct encoder {
    lua_State *L;
    struct codec *c;
    struct buf *out;
    struct seen seen;
    uint32_t *marks;
    uint32_t nmarks, marks_cap;
    uint32_t ordinals; /* objects so far */
    int self;          /* stack index of the state table */
    int weak;          /* of ST_WEAK, or 0 when not needed */
    int classes;       /* of the table of registered classes, or 0 */
    int anchors;       /* of a table that keeps what encode functions gave, or 0 */
    int callee;        /* of the function that is called, when somebody asks for its origin, or 0 */
    int levels;
    uint32_t nenvs; /* call environments so far */
    bool own_envs;  /* one of them is not the globals table */
    bool globals;   /* call environments occur in this segment */
    bool busy;
    bool arguments; /* encoding an argument segment */
    bool checked;   /* package.loaded was looked at for this segment */
    bool changes;   /* what the program has changed in modules goes along */
    /* The table that is encoded just now as something that the program has put into a module. */
    const void *added;
    int reach; /* stack index: the modules that were looked at for what is put just now along with a name; or 0 */
    bool kept_known; /* it was looked at what modules keep about tables: */
    uint64_t kept;   /* a bit for each of names.kept in which there is something */
    bool results;    /* encoding what comes out of a task */
    bool has_function;
    const void *memo_fn; /* the function that code_of saw last, and its code, */
    struct code *memo_code;
    uint32_t memo_at; /* as long as none was forgotten since */
    uint64_t message;
    uint32_t fn_seen, fn_ordinals, fn_envs; /* where the function segment ended */
};

/* All give 0 or a negative code; with one the message is on top of the Lua stack, and whatever lies
** between is left there for the outermost to drop. */

/* Append the head of an operation with so many items, the marker included. */
int tine__encode_op(struct encoder *e, unsigned count, enum wire_op op);
/* Append that a value stays at home. */
int tine__encode_held(struct encoder *e, enum wire_held why);
/* The object at `idx` was met before, as `s` says: refer to it, unless another is at its address by now. */
int tine__encode_met(struct encoder *e, struct seen_entry *s, int idx, const struct step *step,
                     bool *found);
/* Append a reference to what `seen` says, and mark it. */
int tine__encode_ref(struct encoder *e, struct seen_entry *s);
/* The same of a table as an upvalue _ENV, which is the call environment of that number. */
int tine__encode_env_ref(struct encoder *e, struct seen_entry *s, unsigned number);
/* Is the object at `idx` the very one that was met (and not another at the address of a dead one)? */
bool tine__encode_same(struct encoder *e, const struct seen_entry *s, int idx);
/* Give the object at `idx`, whose entry is new, its ordinal. */
void tine__encode_number(struct encoder *e, struct seen_entry *s, int idx);

/* A point to which the encoder can go back. */
struct encode_point {
    size_t len;
    uint32_t seen, nmarks, ordinals, nenvs;
    int levels;
};
struct encode_point tine__encode_mark(const struct encoder *e);
void tine__encode_rewind(struct encoder *e, const struct encode_point *p);

/* Append " a.b: cannot ..." messages; push the text and give TINE_ESERIALIZE. */
int tine__encode_fail(struct encoder *e, const struct step *step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int tine__encode_nomem(struct encoder *e);
/* For the message of a function: "report.lua:12", pushed. */
const char *tine__push_place(lua_State *L, int fn);

/* Room for `n` bytes: 0 or an error. */
static inline int encode_room(struct encoder *e, size_t n) {
    return likely(buf_reserve(e->out, n) == 0) ? 0 : tine__encode_nomem(e);
}

/* Find or make the entry (the newest then) of the object at `idx`, whose address is `p`. *found: a
** reference to it has been written. */
static inline int encode_meet(struct encoder *e, int idx, const void *p, const struct step *step,
                              bool *found) {
    struct seen_entry *s = tine__seen_put(&e->seen, p, found);
    if (unlikely(!s))
        return tine__encode_nomem(e);
    return likely(!*found) ? 0 : tine__encode_met(e, s, idx, step, found);
}

/* The entry that this made. */
static inline struct seen_entry *encode_newest(struct encoder *e) {
    return &e->seen.entries[e->seen.len - 1];
}

#endif
