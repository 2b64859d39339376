/* What modules keep about a table, to bytes. */
#ifndef TINE_CODEC_ENCODE_KEPT_H
#define TINE_CODEC_ENCODE_KEPT_H

#include "base/hot.h"
#include "codec/encode/encoder.h"
#include "codec/state.h"

/* Append the table at `t`, by value, with what modules keep about it in tables with weak keys. 1; 0, and nothing is appended:
** they keep nothing; or an error. */
int tine__kept_encode(struct encoder *e, int t, const struct step *step);

/* Does a module keep something about the table at `t`? */
bool tine__kept_has(struct encoder *e, int t);

/* May there be anything? */
static inline bool kept_possible(const struct encoder *e) {
    return unlikely(e->c->names.nkept) && (e->kept || !e->kept_known);
}

#endif
