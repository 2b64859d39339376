/* Encoding of the globals that a function names. */
#ifndef TINE_CODEC_ENCODE_GLOBALS_H
#define TINE_CODEC_ENCODE_GLOBALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/state.h"

struct code;
struct encoder;
struct step;

/* Append the globals that the function at `fn`, of that code, names: a number that tells the call
** environment and counts the pairs (wire.h), then pairs of name and value. `env` is the number of
** its call environment; 0: not determined yet. *items: the number of items appended, 0 if there is
** nothing to send. */
int tine__encode_globals(struct encoder *e, const struct code *code, int fn, int env,
                         uint32_t *items, const struct step *up);

/* The message since `from` is the value of an upvalue or a global called `name` of the function
** that is encoded. If that is the function of the task itself, note the value if it is the largest
** one so far (tine__codec_load). */
static inline void encode_note_load(struct encoder *e, size_t from, bool global, const char *name) {
    if (e->levels == 1)
        tine__load_note(e->c, e->out->len - from, global, name);
}

#endif
