/* What a codec knows of what has a name, and the ways that lead there. */
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

#define WAY_STEPS 15 /* when some on the way have gone by another one */
#define WAY_MAX (WAY_STEPS + 1)
#define KEPT_TABLES 64
#define CHECK_MAX 40 /* bytes that say what is there: Lua interns strings as short as this */

/* What a codec knows of one of these objects. All zero until it is asked for. */
struct name {
    const void *key; /* as in its place: */
    uint32_t root;
    uint8_t kind, depth;
    uint8_t builtin;
    bool meta;
    const struct file *file; /* of its module, if that is known and found */
    uint32_t wire, wire_len; /* its operation in names.bytes */
    uint32_t next;           /* number + 1 of the one that was asked for before */
    uint8_t going;           /* enum going */
    bool known;              /* it was looked at: file, going and wire are good */
    bool fields;             /* the way to it is in the watch */
    bool filled; /* a table that functions of its module fill with what the program gives them */
    bool told;   /* they put what they are given there, under keys that they are given */
    /* a table that has nothing but what belongs to other objects: nothing of it can be checked */
    bool keeps;
    bool moved;         /* it goes by another way than the index has: */
    bool ranked;        /* of a module: that was looked for */
    uint8_t rank;       /* then, of what is in it: how good the way is */
    uint32_t parent;    /* the number of the object one step nearer, if it is moved */
    uint32_t look;      /* names.looks when its module was looked at for changes */
    uint32_t company;   /* so much goes along with it (company.c), */
    struct watch watch; /* as long as nothing was changed of what was looked at then */
};

struct names {
    struct index *index;
    struct name *list; /* by number; pages that nobody asks for stay untouched */
    uint32_t count;    /* how many: as many as the index has, or fewer while that becomes longer */
    uint32_t asked;    /* the number of the one that was asked for last */
    uint64_t filter[NAME_FILTER / 64]; /* the index's */
    uint32_t
        kept[KEPT_TABLES]; /* the numbers of tables that keep something about others: so many */
    uint32_t nkept;
    struct buf bytes;
    uint64_t sum;   /* of package.loaded, when the index was built */
    uint64_t loads; /* codec.loads, when package.loaded was looked at */
    bool built;
    uint32_t looks;        /* for changes so far */
    const void *plain[64]; /* tables lately found to have no name */
};

/* The entry of the object at that address, which stays there; NULL: it has none. */
struct name *tine__name_find(const struct codec *c, const void *p);
/* The entry of that number. */
struct name *tine__name_at(const struct codec *c, uint32_t id);
/* Is the name as good as when its watch was made? */
bool tine__name_holds(lua_State *L, const struct codec *c, int self, struct name *n);
/* False: none is. For most tables and functions this is all that must be asked. */
static inline bool name_possible(const struct names *n, const void *p) {
    uint32_t bit = name_filter_bit(p);
    return unlikely(!n->built || (n->filter[bit / 64] >> bit % 64 & 1));
}
/* "string.rep", pushed. */
const char *tine__name_push(struct encoder *e, const struct name *n);
void tine__names_free(struct codec *c);
/* Have the codec, which has none, use that index. False: no memory. */
bool tine__names_open(struct codec *c, struct index *x);
/* Note which tables of the index keep something about others. */
void tine__names_find_kept(struct names *n);
/* The numbers of the objects on the way to that of number `id`, the module's first. How many steps. */
int tine__name_way(const struct names *n, uint32_t id, uint32_t way[WAY_MAX]);
/* The number of the object one step nearer to its module. */
uint32_t tine__name_parent(const struct encoder *e, uint32_t id);
/* Push the last step to it. */
void tine__name_push_step(struct encoder *e, uint32_t id);
/* How many steps are to it? */
int tine__name_steps(const struct encoder *e, const struct name *n);
/* Note the way to it; false: it is none of fields, or there is no memory. */
bool tine__name_watch(struct encoder *e, struct name *n, int list);
/* Push what is at the end of the way; false, and nothing, when it leads nowhere. */
bool tine__name_walk(struct encoder *e, const struct name *n);
/* Append its steps. */
int tine__name_pack(struct encoder *e, const struct name *n, struct buf *out);
/* The name of its module. */
const char *tine__name_root(struct encoder *e, const struct name *n);

/* ---- ways.c ---- */

/* If the way to it is poor, or does not lead to it any more (`lost`), look for a better one. May raise memory errors. */
void tine__choose_way(struct encoder *e, struct name *n, bool lost);

/* ---- learn.c ---- */

/* How the object at `idx` goes, which may be where its name says; or an error. */
int tine__name_consider(struct encoder *e, int idx, struct name *n);
/* Make the operation of the name, which is of the object at `idx`. 0 or an error. */
int tine__name_make_wire(struct encoder *e, int idx, struct name *n);

#endif
