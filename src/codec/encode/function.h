/* Encoding of functions. */
#ifndef TINE_CODEC_ENCODE_FUNCTION_H
#define TINE_CODEC_ENCODE_FUNCTION_H

struct encoder;
struct step;

/* Append the function at `fn`: as a reference if the message has it already, else by name or by
** value. */
int tine__encode_fn_value(struct encoder *e, int fn, const struct step *step);

#endif
