/* What the program has changed to bytes. */
#ifndef TINE_CODEC_ENCODE_CHANGE_H
#define TINE_CODEC_ENCODE_CHANGE_H

#include "codec/wire.h"

struct encoder;
struct step;

/* Append the path at `path` and the value behind it. `module`: see STEP_CHANGE. `stays`: why the value may stay here,
** if it cannot travel; HELD_NONE: it may not. */
int tine__change_put(struct encoder *e, int module, int path, const struct step *up,
                     enum wire_held stays);
/* Append `count` triples of the list at `list`: library, path, value. */
int tine__changes_put(struct encoder *e, int list, int count, const struct step *step);

#endif
