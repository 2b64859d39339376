/* Encoding of what modules keep about a table.
**
** A module may keep data about an object outside of it, in a table with weak keys, under the object
** as a key. Such a table is called a keeper here (names.kept lists them). The data belongs to the
** object, so it is sent with the object, and the receiver puts it into the keeper of its own module.
*/
#ifndef TINE_CODEC_ENCODE_KEPT_H
#define TINE_CODEC_ENCODE_KEPT_H

#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/state.h"

/* If keepers have something about the table at `t`, append the table by value and what they have,
** and return 1. If not, append nothing and return 0. Or an error. */
int tine__kept_encode(struct encoder *e, int t, const struct step *step);

/* Does a keeper have something about the table at `t`? */
bool tine__kept_has(struct encoder *e, int t);

/* False: no keeper has entries. */
static inline bool kept_possible(const struct encoder *e) {
    return unlikely(e->c->names.nkept) && (e->kept || !e->kept_known);
}

#endif
