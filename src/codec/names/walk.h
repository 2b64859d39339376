/* The walk over all objects that can be reached from loaded modules, which builds the index
** (index.h). */
#ifndef TINE_CODEC_NAMES_WALK_H
#define TINE_CODEC_NAMES_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct encoder;
struct file;
struct index;
struct place;

/* The state of a walk. */
struct building {
    struct encoder *e;
    struct index *index;
    int loaded;               /* stack indices: package.loaded, */
    int paths;                /* ST_PATHS, */
    int objects;              /* the objects, by number + 1 */
    const struct place *from; /* place of the object whose steps are followed; NULL: none */
    uint32_t from_id;         /* its number */
    size_t longest;           /* length of the longest name of a module */
    const char *source;       /* chunk name for which an owner was looked up last, */
    bool owned;               /* and whether it has one */
    uint32_t dump_of; /* number + 1 of the module whose file was checked last for bytecode, */
    const struct file *dump; /* and its record if it holds bytecode, else NULL */
    bool searched;           /* the result depends on where files of modules are found */
    bool looking;            /* compute only the sum, enter nothing */
    uint64_t sum;            /* of all objects that were met, and their places */
    /* When an index is extended (grow.c): it had so many places before, which stay. `keeps` is
    ** called when the object on top, a step (the value at stack index `step`) from b->from, has
    ** such an old place. False: another object had the address, so the old place is dropped and the
    ** object gets a new one. */
    uint32_t old;
    bool (*keeps)(struct building *b, struct place *place, int step);
    uint32_t roots; /* old modules that were met under the same name */
    /* Old tables that can be reached from new ones, and are to be walked again: their numbers are
    ** at -1, -2 ... of `objects`. */
    uint32_t again;
    bool anew;   /* the index cannot be extended */
    bool failed; /* no memory, or the index is out of date */
};

/* ---- walk.c ---- */

/* Walk over all modules, and over what the globals table holds; then over all that can be reached
** from the objects with number `from` and higher. */
void tine__walk_modules(struct building *b);
void tine__walk_on(struct building *b, uint32_t from);
/* Walk over the fields and the metatable of the table on top, which has number `id`. Pops it. */
void tine__walk_table(struct building *b, uint32_t id);
/* Estimate the number of places (rather too high, since unused ones cost nothing), and set
** b->longest. */
uint32_t tine__walk_expected(struct building *b);

/* ---- grow.c ---- */

/* Extend the codec's index by what is new in package.loaded, which is on top. False: it must be
** built anew. */
bool tine__index_grow(struct encoder *e);

#endif
