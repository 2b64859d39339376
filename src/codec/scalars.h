/* The quick way for numbers, strings and the like. */
#ifndef TINE_CODEC_SCALARS_H
#define TINE_CODEC_SCALARS_H

#include <lua.h>
#include <stdbool.h>

/* Append the value at `idx`. False: it is no scalar, or there is no room for it. */
bool tine__encode_scalar(lua_State *L, int idx, struct buf *out);
/* Push the value at `p`, before `end`, and give what follows it. NULL, and nothing pushed: it is no scalar
** (or a string, when not `strings`), or not a good one. */
const unsigned char *tine__decode_scalar(lua_State *L, const unsigned char *p,
                                         const unsigned char *end, bool strings);

#endif
