/* Globals to bytes. */
#ifndef TINE_CODEC_ENCODE_GLOBALS_H
#define TINE_CODEC_ENCODE_GLOBALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/state.h"

struct code;
struct encoder;
struct step;

/* Append the globals that the function at `fn` names: the number that says of what environment, and so on; then pairs. `env`:
** its environment's number, 0: not asked yet. *items: so many were appended. */
int tine__encode_globals(struct encoder *e, const struct code *code, int fn, int env,
                         uint32_t *items, const struct step *up);

/* What was written since `from` belongs to an upvalue or a global of the function that is encoded: is it the largest of the
** outermost function's? */
static inline void encode_note_load(struct encoder *e, size_t from, bool global, const char *name) {
    if (e->levels == 1)
        tine__load_note(e->c, e->out->len - from, global, name);
}

#endif
