/* Call environments (codec.h), and the globals in them. */
#ifndef TINE_CODEC_DECODE_ENVIRONMENT_H
#define TINE_CODEC_DECODE_ENVIRONMENT_H

#include <stdbool.h>
#include "codec/decode/reader.h"

/* Set the current upvalue of the function to the value on top, which is popped. */
void tine__set_upvalue(struct reader *r, struct frame *f);
/* Push the call environment with this number; a new one if there is none yet: a table whose other
** reads go to the globals table, and other writes, too, unless `keeps`. */
void tine__push_env(struct reader *r, unsigned number, bool keeps);
/* EXT_ENV: the current upvalue is the call environment with this number, which is set when it
** exists. 0: push the globals table. */
void tine__op_env(struct reader *r, unsigned number);
/* EXT_ENV_OF: the table on top is the call environment with this number, and the current
** upvalue. */
void tine__op_env_of(struct reader *r, unsigned number);
/* EXT_HELD: a value stayed with the sender; `why` is an enum wire_held. Pushes nil. */
void tine__op_held(struct reader *r, unsigned why);
/* Note in ST_HELD that the value with the name at `name` stayed with the sender. */
void tine__note_held(struct reader *r, int name);
/* Handle an item behind the upvalues of a function, which is on top: the number in front of the
** globals, or the name or value of a global. */
void tine__global_item(struct reader *r, struct frame *f);

/* Is the current item an upvalue of a function? */
static inline bool in_upvalues(const struct frame *f) {
    return f->kind == FRAME_FUNCTION && f->i >= 2 && f->i < 2 + f->m;
}

/* Is the current item the value of a global? */
static inline bool in_global(const struct frame *f) {
    return f->kind == FRAME_FUNCTION && f->i > 2 + f->m && (f->i - f->m) % 2 == 0;
}

#endif
