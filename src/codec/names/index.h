/* The index: all that can be reached from loaded modules, by address. */
#ifndef TINE_CODEC_NAMES_INDEX_H
#define TINE_CODEC_NAMES_INDEX_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct encoder;

#define NAME_FILTER 16384 /* bits */

static inline uint32_t name_filter_bit(const void *p) {
    uint64_t x = (uint64_t)(uintptr_t)p >> 3;
    return (uint32_t)((x * UINT64_C(0x9E3779B97F4A7C15)) >> 32) % NAME_FILTER;
}

/* On the wire, too. */
enum name_kind { NAME_NONE, NAME_MODULE, NAME_HELD, NAME_FUNCTION, NAME_CFUNCTION, NAME_USERDATA };

enum { BUILTIN_LUA = 1, BUILTIN_TINE };

#define NAME_STEPS 4 /* from the module */

/* Where an object is. */
struct place {
    const void *key;
    /* Numbers of the object one step nearer to the module, and of the module. */
    uint32_t parent, root;
    uint8_t kind, depth;
    uint8_t builtin;
    bool meta;  /* the last step to it is a metatable */
    bool keeps; /* a table with weak keys, and strong values: it keeps something about others */
};

/* All that can be reached. Codecs of one state share it, and nothing of it changes then; one that a codec has for itself may
** become longer (grow.c). */
struct index {
    unsigned users;
    struct place *list; /* by number */
    uint32_t *slots;    /* by address: number + 1 */
    uint32_t mask, used, cap;
    uint64_t filter[NAME_FILTER / 64]; /* by address: no bit, no name */
};

/* ---- index.c ---- */

/* Something has no name: if package.loaded changed since the index was built, build it again and
** give ENCODE_AGAIN. */
int tine__name_missing(struct encoder *e);
/* The same for a table, of which many come by that have no name. */
int tine__name_missing_table(struct encoder *e, const void *p);

/* ---- index_copy.c ---- */

/* What belongs to an index, in this order on the stack: a userdata that holds it, and tables. */
enum { INDEX_HOLDER, INDEX_PATHS, INDEX_OWNERS, INDEX_OBJECTS /* by number */, INDEX_PARTS };

struct index_sums {
    uint64_t loaded; /* of package.loaded */
    uint64_t places; /* of what was met, and where */
};

/* Push the parts of a new index, with room for so many places at first. NULL: no memory for it. */
struct index *tine__index_push_new(lua_State *L, uint32_t expected);
/* Leave the index whose parts are from stack index `parts` on, just made, for other codecs of the state. `searched`: the
** way there led through files. */
void tine__index_leave(struct encoder *e, const struct index_sums *sums, int parts, bool searched);
/* If another has left one for what is loaded, push its parts. NULL, and nothing: there is none. */
struct index *tine__index_push_left(struct encoder *e, uint64_t loaded, struct index_sums *sums);

/* ---- names.c ---- */

/* A new index, which has one user, with room for so many places at first; NULL: no memory. */
struct index *tine__index_new(uint32_t expected);
/* One user less. NULL is fine. */
void tine__index_drop(struct index *x);
/* A new place for the object at that address; NULL: no memory. */
struct place *tine__index_insert(struct index *x, const void *key);
struct place *tine__index_find(const struct index *x, const void *key);

#endif
