/* Call environments, and the globals in them. */
#ifndef TINE_CODEC_DECODE_ENVIRONMENT_H
#define TINE_CODEC_DECODE_ENVIRONMENT_H

#include <stdbool.h>
#include "codec/decode/reader.h"

/* The value on top, which is taken, is the upvalue that comes now. */
void tine__set_upvalue(struct reader *r, struct frame *f);
/* Push the call environment of that number, made now if there was no need for it before: a table whose other reads go to
** the globals, and its other writes too unless it keeps them. */
void tine__push_env(struct reader *r, unsigned number, bool keeps);
/* The upvalue _ENV that comes now is the call environment of that number (0: the globals table, which is pushed). */
void tine__op_env(struct reader *r, unsigned number);
/* The table on top is the call environment of that number, and the upvalue _ENV that comes now. */
void tine__op_env_of(struct reader *r, unsigned number);
/* A global stayed at home: why (enum wire_held). */
void tine__op_held(struct reader *r, unsigned why);
/* The name at `name` is of such a one. */
void tine__note_held(struct reader *r, int name);
/* An item behind the upvalues of a function came. */
void tine__global_item(struct reader *r, struct frame *f);

/* Are we at the upvalues of a function? */
static inline bool in_upvalues(const struct frame *f) {
    return f->kind == FRAME_FUNCTION && f->i >= 2 && f->i < 2 + f->m;
}

/* Are we at the value of a global? */
static inline bool in_global(const struct frame *f) {
    return f->kind == FRAME_FUNCTION && f->i > 2 + f->m && (f->i - f->m) % 2 == 0;
}

#endif
