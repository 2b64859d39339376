/* Outcomes from the pool's side (item.h has the owner's): each is set once, under the pool's lock. */
#ifndef TINE_POOL_OUTCOME_H
#define TINE_POOL_OUTCOME_H

#include <stddef.h>
#include "pool/item.h"

struct result_item;

/* Copy the bytes. When there is no memory for them the outcome is FAILED with TINE_ENOMEM. */
void tine__outcome_set_bytes(struct outcome *o, enum outcome_state state, int code,
                             const char *bytes, size_t length);
/* Keep the block that the bytes lie in: true. False: there is no memory to do so, see above. */
bool tine__outcome_set_block(struct outcome *o, enum outcome_state state, int code, struct pool *p,
                             const struct result_item *r);
/* FAILED, with a reference to `f` (may be NULL). */
void tine__outcome_set_failure(struct outcome *o, int code, struct failure *f);

#endif
