/* The index of names: finds, by its address, where an object can be reached from a loaded module
** (see names.h). */
#ifndef TINE_CODEC_NAMES_INDEX_H
#define TINE_CODEC_NAMES_INDEX_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct encoder;

#define NAME_FILTER 16384 /* bits of the filter */

static inline uint32_t name_filter_bit(const void *p) {
    uint64_t x = (uint64_t)(uintptr_t)p >> 3;
    return (uint32_t)((x * UINT64_C(0x9E3779B97F4A7C15)) >> 32) % NAME_FILTER;
}

/* What a name stands for: a module, a table in one, and so on. These numbers occur in messages. */
enum name_kind { NAME_NONE, NAME_MODULE, NAME_HELD, NAME_FUNCTION, NAME_CFUNCTION, NAME_USERDATA };

enum { BUILTIN_LUA = 1, BUILTIN_TINE };

#define NAME_STEPS 4 /* steps from a module, at most */

/* The place of an object: where it can be reached. */
struct place {
    const void *key; /* its address */
    /* Numbers of the object before the last step, and of the module. */
    uint32_t parent, root;
    uint8_t kind, depth; /* enum name_kind; steps from the module */
    uint8_t builtin;     /* BUILTIN_ if the module is Lua's or Tine's own; else 0 */
    bool meta;           /* the last step is to a metatable */
    bool keeps; /* a table with weak keys and strong values: keeps data about other objects */
};

/* The codecs of a Lua state share an index, which does not change then. If only one codec uses it,
** it may be extended (grow.c). */
struct index {
    unsigned users;                    /* codecs, and the userdata that owns it (index_copy.c) */
    struct place *list;                /* places, by number */
    uint32_t *slots;                   /* hash table by address: number + 1 */
    uint32_t mask, used, cap;          /* of `slots`; of `list` */
    uint64_t filter[NAME_FILTER / 64]; /* one bit for each hash of an address; not set: no place */
};

/* ---- index.c ---- */

/* Call this when an object has no name: if package.loaded has changed since the index was built,
** build or extend the index, and return ENCODE_AGAIN. 0; ENCODE_AGAIN; or an error. Done at most
** once for a segment, and not for one that is encoded in the midst of another
** (codec_is_inner): there, what has come meanwhile has no name. */
int tine__name_missing(struct encoder *e);
/* The same for the table at `p`. Remembers lately seen tables that have no name. */
int tine__name_missing_table(struct encoder *e, const void *p);

/* ---- index_copy.c ---- */

/* The parts of an index, as they lie on the stack: a userdata that owns it; ST_PATHS; ST_OWNERS;
** and the objects, by number + 1. */
enum { INDEX_HOLDER, INDEX_PATHS, INDEX_OWNERS, INDEX_OBJECTS, INDEX_PARTS };

struct index_sums {
    uint64_t loaded; /* of the contents of package.loaded */
    uint64_t places; /* of all objects that were met, and their places */
};

/* Push the parts of a new index, with room for `expected` places at first. NULL: no memory for
** it. */
struct index *tine__index_push_new(lua_State *L, uint32_t expected);
/* Leave the index whose parts are from stack index `parts` on, which is complete, to other codecs
** of this state. `searched`: building it has depended on where modules' files are found. */
void tine__index_leave(struct encoder *e, const struct index_sums *sums, int parts, bool searched);
/* If another codec has left an index that was built for the same package.loaded (`loaded` is its
** sum), push its parts and fill in `sums`. NULL, and nothing is pushed: there is none. */
struct index *tine__index_push_left(struct encoder *e, uint64_t loaded, struct index_sums *sums);

/* ---- names.c ---- */

/* A new index with one user, and room for `expected` places at first; NULL: no memory. */
struct index *tine__index_new(uint32_t expected);
/* Drop one user; the last one frees the index. NULL is allowed. */
void tine__index_drop(struct index *x);
/* A new place, for the object at address `key`; NULL: no memory. */
struct place *tine__index_insert(struct index *x, const void *key);
/* The place of the object at address `key`; NULL: it has none. */
struct place *tine__index_find(const struct index *x, const void *key);

#endif
