/* Functions that came. */
#ifndef TINE_CODEC_DECODE_FUNCTION_H
#define TINE_CODEC_DECODE_FUNCTION_H

struct frame;
struct reader;

void tine__function_item(struct reader *r, struct frame *f);
/* The upvalue that comes now is one of a function that came before: its ordinal and number are at `p`. */
void tine__op_upref(struct reader *r, const unsigned char *p);

#endif
