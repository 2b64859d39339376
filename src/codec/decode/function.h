/* Decoding of functions. */
#ifndef TINE_CODEC_DECODE_FUNCTION_H
#define TINE_CODEC_DECODE_FUNCTION_H

struct frame;
struct reader;

/* An item of operation FUNCTION is on top: code, an upvalue, or a part of the globals. Raises. */
void tine__function_item(struct reader *r, struct frame *f);
/* EXT_UPREF: the current upvalue is joined with one of an earlier function, whose ordinal and index
** are at `p`. */
void tine__op_upref(struct reader *r, const unsigned char *p);

#endif
