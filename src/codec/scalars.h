/* A fast path for single scalars: nil, booleans, numbers, strings. */
#ifndef TINE_CODEC_SCALARS_H
#define TINE_CODEC_SCALARS_H

#include <lua.h>
#include <stdbool.h>

/* Append the value at `idx`. False: it is no scalar, or there is no memory. */
bool tine__encode_scalar(lua_State *L, int idx, struct buf *out);
/* Push the value at `p`, which lies before `end`, and return what follows it. NULL, and nothing is
** pushed: it is no scalar (or a string, without `strings`), or is malformed. */
const unsigned char *tine__decode_scalar(lua_State *L, const unsigned char *p,
                                         const unsigned char *end, bool strings);

#endif
