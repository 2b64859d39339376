/* Encoding of what a task calls: a Lua function, a text that names one, or a callable table. */
#ifndef TINE_CODEC_ENCODE_CALLEE_H
#define TINE_CODEC_ENCODE_CALLEE_H

#include <stdbool.h>

struct encoder;

/* Append the callee at `fn`. With `origin` also find its origin, for labels: then its struct known
** (code.h) is at stack index e->callee, even if encoding fails after that was found. */
int tine__encode_callee(struct encoder *e, int fn, bool origin);

#endif
