/* The encoder: the state of writing one Lua value after another as msgpack bytes, and what the
** files of this folder share. codec.h describes the format: segments, operations, ordinals of
** objects and marks.
**
** Errors. Functions that take a struct encoder and return int return 0 or a positive value on
** success, else a negative code: TINE_E..., ENCODE_AGAIN or ENCODE_ENDLESS. With a TINE_E... code
** and with ENCODE_ENDLESS a message is on top of the Lua stack. Other values may lie below it: only
** the outermost caller restores the stack after an error. All of them may raise memory errors.
*/
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

/* Where in the value the encoder is, for error messages: a linked list on the C stack, the
** innermost step first. `at` and `n` depend on the kind; `at` is a stack index. */
struct step {
    const struct step *up;
    enum step_kind {
        STEP_ARGUMENT, /* n: the argument's number */
        STEP_RESULT,   /* n: the result's number */
        STEP_ERROR,
        STEP_SHARED,
        /* at: the change's path (changes/changes.h). n: the stack index of a module's name; or,
        ** negated, the name number + 1 of something in the module. */
        STEP_CHANGE,
        STEP_KEY,      /* at: the key; a value under it */
        STEP_INDEX,    /* n: the index of an array item */
        STEP_KEY_SELF, /* at: a key that is encoded itself */
        STEP_UPVALUE,  /* at: the function; n: the upvalue's index */
        STEP_METATABLE,
        /* a value that a module keeps about a table; n: name number of the module's table
        ** (encode/kept.h) */
        STEP_KEPT,
        STEP_GLOBAL,  /* at: the global's name; n: the stack index of the function */
        STEP_ENCODED, /* at: the class's name; what its encode function returned */
        STEP_DECODE,  /* at: the class's name; its decode function */
    } kind;
    int at;
    lua_Integer n;
};

/* Room on the Lua stack. A plain table takes two slots, so its encoder makes room only at every
** STACK_LEVELS-th level. What takes more makes room itself. */
#define STACK_LEVELS 16
#define STACK_ROOM 64

#define ENCODE_AGAIN (-1000) /* a module was loaded meanwhile: encode the segment again */
/* As TINE_ESERIALIZE, but the value must not be replaced by a note or left out: encode functions
** call each other without end. */
#define ENCODE_ENDLESS (-1001)

struct encoder {
    lua_State *L;
    struct codec *c;
    struct buf *out; /* the message */
    struct seen seen;
    uint32_t *marks; /* ordinals that something refers to */
    uint32_t nmarks, marks_cap;
    uint32_t ordinals; /* number of objects so far */
    int self;          /* stack index of the state table; the encoder itself is above it */
    int weak;          /* stack index of the weak table in a function segment, else 0 */
    int classes;       /* stack index of the table of registered classes; 0: there is none */
    /* Stack index of a list that keeps the results of encode functions alive, or 0. */
    int anchors;
    /* Stack index of the struct known of the called function (nil if nobody has asked for its
    ** origin); 0: this is no function segment. */
    int callee;
    int levels;     /* nesting depth */
    uint32_t nenvs; /* number of call environments so far */
    bool own_envs;  /* one of them is another table than the globals table */
    bool globals;   /* call environments occur in this segment */
    bool busy;      /* in use: a nested encoding takes another encoder */
    bool arguments; /* this is an argument segment */
    bool checked;   /* package.loaded was compared with the index for this segment */
    bool changes;   /* send what the program has changed in modules with their names */
    /* The innermost table being encoded that the program has put into a module; NULL: none. */
    const void *added;
    /* Stack index of the reach (changes/uses.h) of the name whose company is being written
    ** (encode/company.h); 0: none is. */
    int reach;
    bool kept_known;   /* `kept` is valid for this segment */
    uint64_t kept;     /* bit i: table names.kept[i] has entries */
    bool results;      /* encoding results or an error */
    bool has_function; /* a function segment was encoded, arguments may follow */
    /* The function for which tine__code_of was called last, and its code; valid as long as
    ** codec.forgotten is memo_at. */
    const void *memo_fn;
    struct code *memo_code;
    uint32_t memo_at;
    uint64_t message; /* the message's number (codec.message); that of its function, too */
    uint32_t fn_seen, fn_ordinals, fn_envs; /* counts at the end of the function segment */
};

/* Append the head of an operation that has `count` items, its marker included. */
int tine__encode_op(struct encoder *e, unsigned count, enum wire_op op);
/* Append an extension of that type with one byte. */
int tine__encode_ext(struct encoder *e, unsigned char type, unsigned byte);
/* Append a placeholder for a value that is not sent, with the reason. */
int tine__encode_held(struct encoder *e, enum wire_held why);
/* The entry `s` has the address of the object at `idx`. If it is the entry of this object
** (tine__encode_same), append a reference to the object. Else set *found to false and make an entry
** for the object. */
int tine__encode_met(struct encoder *e, struct seen_entry *s, int idx, const struct step *step,
                     bool *found);
/* Append a reference to the object or upvalue of the entry `s`, and mark its ordinal. */
int tine__encode_ref(struct encoder *e, struct seen_entry *s);
/* Append a reference to the table of the entry `s` as an upvalue _ENV: the table is call
** environment `number`. */
int tine__encode_env_ref(struct encoder *e, struct seen_entry *s, unsigned number);
/* Is the entry `s` of the object at `idx`, and not of a dead object that had the same address? */
bool tine__encode_same(struct encoder *e, const struct seen_entry *s, int idx);
/* Give the object at `idx` the next ordinal. `s` is its entry. */
void tine__encode_number(struct encoder *e, struct seen_entry *s, int idx);

/* Push the encoder's weak table: the objects of its function segment by ordinal + 1, and call
** environments by their negated numbers. nil: it has none yet. */
static inline int encode_push_weak(const struct encoder *e) {
    return lua_getiuservalue(e->L, e->self + 1, 1);
}

/* A state of the encoder to which it can be set back. */
struct encode_point {
    size_t len;
    uint32_t seen, nmarks, ordinals, nenvs;
    int levels;
};
struct encode_point tine__encode_mark(const struct encoder *e);
/* Drop what was appended, met and marked since the point. The Lua stack is left as it is. */
void tine__encode_rewind(struct encoder *e, const struct encode_point *p);

/* Push "<the way to `step`>: <the formatted text>" and return TINE_ESERIALIZE. */
int tine__encode_fail(struct encoder *e, const struct step *step, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Push a message and return TINE_ENOMEM. */
int tine__encode_nomem(struct encoder *e);
/* Push where the function at `fn` was defined, as "report.lua:12". */
const char *tine__push_place(lua_State *L, int fn);

/* Make room for `n` bytes in the message. */
static inline int encode_room(struct encoder *e, size_t n) {
    return likely(buf_reserve(e->out, n) == 0) ? 0 : tine__encode_nomem(e);
}

/* Find the entry of the object at `idx`, whose address is `p`, or make one, which is then the
** newest. *found: the message had the object already, and a reference to it was appended. */
static inline int encode_meet(struct encoder *e, int idx, const void *p, const struct step *step,
                              bool *found) {
    struct seen_entry *s = tine__seen_put(&e->seen, p, found);
    if (unlikely(!s))
        return tine__encode_nomem(e);
    return likely(!*found) ? 0 : tine__encode_met(e, s, idx, step, found);
}

/* The entry that encode_meet has just made. */
static inline struct seen_entry *encode_newest(struct encoder *e) {
    return &e->seen.entries[e->seen.len - 1];
}

#endif
