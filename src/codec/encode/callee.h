/* What is called to bytes. */
#ifndef TINE_CODEC_ENCODE_CALLEE_H
#define TINE_CODEC_ENCODE_CALLEE_H

#include <stdbool.h>

struct encoder;

/* Append what is at `fn`, which is called. `origin`: somebody asks where it is from; the encoder's `callee` is set then, also
** when this fails and it is known. */
int tine__encode_callee(struct encoder *e, int fn, bool origin);

#endif
