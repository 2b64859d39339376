/* Functions to bytes, and their environments. */
#ifndef TINE_CODEC_ENCODE_FUNCTION_H
#define TINE_CODEC_ENCODE_FUNCTION_H

struct encoder;

/* The number of the call environment that the table at `t` is, too, if the other side is to be told now; else 0. */
unsigned tine__env_of(struct encoder *e, int t);

#endif
