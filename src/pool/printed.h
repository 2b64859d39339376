/* Printed: what a task has written to its standard streams, of an item whose output is captured. Counted, for it may
** have several owners; never changed once it is there.
*/
#ifndef TINE_POOL_PRINTED_H
#define TINE_POOL_PRINTED_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include "base/hot.h"

struct pool;
struct item;
struct report;
struct failure;

struct printed {
    atomic_uint refs;
    uint64_t task; /* whose; 0: of one that has not run */
    size_t length;
    char bytes[];
};

/* Both take NULL. */
struct printed *tine__printed_ref(struct printed *o);
void tine__printed_unref(struct printed *o);

/* --- the pool's side, under its lock --- */

/* A task of an item that is captured is about to end, or lost: this is what it has printed. */
void tine__printed_deliver(struct pool *p, const struct report *r);
/* The item is about to end: it has an output, be it an empty one, if it is captured. */
COLD void tine__printed_end(struct pool *p, struct item *item);
/* Put the end of what task `k` of the item has printed into its failure. */
void tine__printed_blame(const struct item *item, uint32_t k, struct failure *f);

#endif
