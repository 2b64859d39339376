/* What the sender had changed in modules. */
#ifndef TINE_CODEC_DECODE_APPLY_H
#define TINE_CODEC_DECODE_APPLY_H

struct reader;

/* A table (or the name of one of Lua's libraries), the path and the value of a field are on top, and taken: when all is
** read, it is set for this call. */
void tine__await_change(struct reader *r);
void tine__apply_changes(struct reader *r);

#endif
