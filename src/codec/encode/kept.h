/* Encoding of what modules keep about a table.
**
** A module may keep data about an object apart from it: in a table of the module with weak keys,
** whose key is the object. That table is a keeper here (names.kept has them), and what it has under
** the object is kept about the object. It belongs to the object, so it is sent with it, and is put
** into the same keeper of the receiver's module.
*/
#ifndef TINE_CODEC_ENCODE_KEPT_H
#define TINE_CODEC_ENCODE_KEPT_H

#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/state.h"

/* Append the table at `t` by value, together with what is kept about it. Returns 1; 0, and nothing
** is appended: nothing is kept about it; or an error. */
int tine__kept_encode(struct encoder *e, int t, const struct step *step);

/* Does a keeper have something about the table at `t`? */
bool tine__kept_has(struct encoder *e, int t);

/* False: no keeper has entries. */
static inline bool kept_possible(const struct encoder *e) {
    return unlikely(e->c->names.nkept) && (e->kept || !e->kept_known);
}

#endif
