/* Names: what a codec knows of the objects that loaded modules hold, and how it finds them.
**
** An object (a table, a function or a userdata) that can be reached from a loaded module has a
** *name*: the module, and the *way*, the sequence of steps that leads from the module to the
** object. A *step* is a field, an item of a list, an upvalue of a function, or a metatable. The
** index (index.h) has one way to each object, by the object's address, and numbers the objects.
** Here, for each number, is what a codec has found out about the name: may the object travel by it,
** by which way, and what else must travel along.
**
** names.c has the rule for what travels by name.
*/
#ifndef TINE_CODEC_NAMES_NAMES_H
#define TINE_CODEC_NAMES_NAMES_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"
#include "base/hot.h"
#include "codec/changes/watch.h"
#include "codec/names/index.h"

struct codec;
struct encoder;
struct file;

enum going { GOES_BY_VALUE, GOES_BY_NAME, GOES_BY_BOTH };

#define WAY_STEPS 15 /* steps of a way, at most, when other steps replace those of the index */
#define WAY_MAX (WAY_STEPS + 1)
#define KEPT_TABLES 64
#define CHECK_MAX 40 /* bytes of a name's check (codec.h): Lua interns such short strings */

/* The name of an object, as this codec knows it. All zero until it is asked for. */
struct name {
    const void *key; /* as in the object's place (index.h) */
    uint32_t root;
    uint8_t kind, depth;
    uint8_t builtin;
    bool meta;
    const struct file *file; /* record of the module's file; NULL: none was found */
    uint32_t wire, wire_len; /* the encoded operation NAME in names.bytes */
    uint32_t next;           /* number + 1 of the name that was asked for before; 0: none */
    uint8_t going;           /* enum going */
    bool known;              /* tine__name_consider has filled in file, going, wire and so on */
    bool fields;             /* all steps of the way are in the watch, so it need not be followed */
    bool filled; /* functions of the module put values that they are given into this table */
    bool told;   /* and they do so under keys that they are given */
    /* The object is a private table in which the module keeps data about other objects. It
    ** travels by name, though nothing in it can be compared. */
    bool keeps;
    bool moved;         /* the name has another way than in the index (ways.c) */
    bool ranked;        /* of a module: the names in it have ranks */
    uint8_t rank;       /* enum store_rank: the worst of the steps on the way */
    uint32_t parent;    /* of a moved name: number of the object before the last step */
    uint32_t look;      /* names.looks when the module was last searched for changes */
    uint32_t company;   /* how many changes go along with the name (changes/company.c), */
    struct watch watch; /* which is so as long as this watch holds */
};

struct names {
    struct index *index;
    struct name *list; /* by number; calloc'ed, so that unused pages are never touched */
    uint32_t count;    /* of `list`; while the index is extended it has more */
    uint32_t asked;    /* number + 1 of the name that was asked for last; 0: none */
    uint64_t filter[NAME_FILTER / 64]; /* a copy of the index's filter, with Lua's own tables */
    uint32_t kept[KEPT_TABLES];        /* numbers of tables with place.keeps */
    uint32_t nkept;
    struct buf bytes;
    uint64_t sum;   /* of package.loaded, when the index was built (index.c) */
    uint64_t loads; /* codec.loads, when package.loaded was compared last */
    bool built;
    uint32_t looks;        /* searches for changes so far */
    const void *plain[64]; /* a cache: tables that were found to have no name */
};

/* The name of the object at address `p`; NULL: it has none. Valid until the index is extended or
** built anew. */
struct name *tine__name_find(const struct codec *c, const void *p);
/* The name with this number. */
struct name *tine__name_at(const struct codec *c, uint32_t id);
/* Is the name still as it was when its watch was made? `self` is the stack index of the state
** table. */
bool tine__name_holds(lua_State *L, const struct codec *c, int self, struct name *n);
/* False: the object at `p` has no name. This is a Bloom filter with one hash function; for most
** objects no other test is needed. */
static inline bool name_possible(const struct names *n, const void *p) {
    uint32_t bit = name_filter_bit(p);
    return unlikely(!n->built || (n->filter[bit / 64] >> bit % 64 & 1));
}
/* Push the name as text, such as "string.rep". */
const char *tine__name_push(struct encoder *e, const struct name *n);
/* Forget all names, and the index. */
void tine__names_free(struct codec *c);
/* Have the codec, which has no index, use `x`. False: no memory. */
bool tine__names_open(struct codec *c, struct index *x);
/* Fill in `kept`. */
void tine__names_find_kept(struct names *n);
/* Write the numbers of the objects on the way to object `id` to `way`, the module's first. Returns
** the number of steps. */
int tine__name_way(const struct names *n, uint32_t id, uint32_t way[WAY_MAX]);
/* The number of the object before the last step of the way to object `id`. */
uint32_t tine__name_parent(const struct encoder *e, uint32_t id);
/* Push the last step of the way to object `id`. */
void tine__name_push_step(struct encoder *e, uint32_t id);
/* The number of steps to the object. */
int tine__name_steps(const struct encoder *e, const struct name *n);
/* Add the fields on the way to the name's watch, with `list`. False: some step is no field, or
** there is no memory; the watch is empty then. */
bool tine__name_watch(struct encoder *e, struct name *n, int list);
/* Follow the way, and push what is at its end. False, and nothing is pushed: the way leads
** nowhere. */
bool tine__name_walk(struct encoder *e, const struct name *n);
/* Append the steps of the way, in msgpack. 0 or an error. */
int tine__name_pack(struct encoder *e, const struct name *n, struct buf *out);
/* The name of the module. */
const char *tine__name_root(struct encoder *e, const struct name *n);

/* ---- ways.c ---- */

/* If the way to the object is poor (see ways.c), or does not lead to it any more (`lost`), look for
** a better one. May raise memory errors. */
void tine__choose_way(struct encoder *e, struct name *n, bool lost);
/* Has the other side an object of the same kind at the same place: is the best way to it made of
** constant steps? Else it is an object with its methods in its fields, such as a function of the
** module makes, and at that place there may be another. */
bool tine__way_is_constant(struct encoder *e, struct name *n);

/* ---- learn.c ---- */

/* How the object at `idx`, whose address has this name, travels: an enum going, or a negative
** error. GOES_BY_VALUE also if the name's way does not lead to it. */
int tine__name_consider(struct encoder *e, int idx, struct name *n);
/* The same for a name that may have been considered before any watch of it was made, so that nobody
** has noticed if the file of a module in its reach was edited since. */
int tine__name_consider_anew(struct encoder *e, int idx, struct name *n);
/* Encode the operation NAME for the name, which is of the object at `idx`. 0 or an error. */
int tine__name_make_wire(struct encoder *e, int idx, struct name *n);

#endif
