/* Functions to bytes, and their environments. */
#ifndef TINE_CODEC_ENCODE_FUNCTION_H
#define TINE_CODEC_ENCODE_FUNCTION_H

struct encoder;
struct step;

/* Append the function at `fn`: by name, or as what the message has met, or by value. */
int tine__encode_fn_value(struct encoder *e, int fn, const struct step *step);

#endif
