/* Printed: captured output of a task. Reference-counted, since followers share it; does not change
** once it is set.
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
    uint64_t task; /* id of the task; 0: it has not run */
    size_t length;
    char bytes[];
};

/* NULL is allowed. */
struct printed *tine__printed_ref(struct printed *o);
void tine__printed_unref(struct printed *o);

/* --- for the pool, under its lock --- */

/* A captured task is about to end, or was lost: keep the output that the report has. */
void tine__printed_deliver(struct pool *p, const struct report *r);
/* A captured item is about to end: give it an empty output if it has none. */
COLD void tine__printed_end(struct pool *p, struct item *item);
/* Copy the end of the output of task `k` into its failure. */
void tine__printed_blame(const struct item *item, uint32_t k, struct failure *f);

#endif
