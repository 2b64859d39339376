/* Shared by the files for embedding programs (embed.c, adopt.c). */
#ifndef TINE_BIND_EMBED_H
#define TINE_BIND_EMBED_H

#include <lua.h>
#include "base/buf.h"

struct codec;

/* A codec of this Lua state that belongs to no pool: it encodes functions with their code inline.
** Raises memory errors. */
struct codec *tine__embed_codec(lua_State *L);
/* Push a userdata that owns an empty buffer. Raises memory errors. */
struct buf *tine__embed_buf(lua_State *L);
/* tine.encode(fn) */
int tine__encode_lua(lua_State *L);

#endif
