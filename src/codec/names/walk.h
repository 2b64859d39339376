/* A way over all that can be reached from loaded modules, on which the index is made. */
#ifndef TINE_CODEC_NAMES_WALK_H
#define TINE_CODEC_NAMES_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct encoder;
struct file;
struct index;
struct place;

struct building {
    struct encoder *e;
    struct index *index;
    int loaded;  /* stack indices: package.loaded, */
    int paths;   /* ST_PATHS, */
    int objects; /* the objects themselves, by number */
    const struct place *from;
    uint32_t from_id;
    size_t longest;     /* name of a module */
    const char *source; /* of the function that was asked last whose it is, */
    bool owned;         /* and what came out */
    uint32_t dump_of; /* number + 1 of the module that was asked last whether its file is a dump */
    const struct file *dump; /* and what came out */
    bool searched;           /* files were looked for */
    bool looking;            /* nothing is entered: only the sum is wanted */
    uint64_t sum;            /* of all that was met, and where */
    /* When an index is made longer (grow.c): so many places were there before, and stay. The object on top, a step (the value
    ** at `step`) from b->from, has such a place: is it still there? If not, its address was another object's, and the place is
    ** nobody's any more. */
    uint32_t old;
    bool (*keeps)(struct building *b, struct place *place, int step);
    uint32_t roots; /* modules of old that were met, */
    /* Tables of old that new ones lead to: their numbers are at -1, -2 ... of the objects. */
    uint32_t again;
    bool anew; /* the index cannot be made longer */
    bool failed;
};

/* ---- walk.c ---- */

/* All modules, and what the globals table has; then all that can be reached from place number `from` on. */
void tine__walk_modules(struct building *b);
void tine__walk_on(struct building *b, uint32_t from);
/* The fields and the metatable of the table on top, of that number, which is taken. */
void tine__walk_table(struct building *b, uint32_t id);
/* So many places may there be: a guess that is rather too high, for what is not used of it costs nothing. */
uint32_t tine__walk_expected(struct building *b);

/* ---- grow.c ---- */

/* Make the codec's index longer by what is new in package.loaded, which is on top. False: it must be made anew. */
bool tine__index_grow(struct encoder *e);

#endif
