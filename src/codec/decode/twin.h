/* Twins: objects that this process has made as the sender has made others.
**
** The *twin* of a function is another function with the same code. The twin of a table is another
** table with such functions under the same keys, or, if it has no functions, with such functions in
** its metatable or in the metatable's __index.
*/
#ifndef TINE_CODEC_DECODE_TWIN_H
#define TINE_CODEC_DECODE_TWIN_H

#include <lua.h>
#include <stdbool.h>

/* Is one of the values at `a` and `b` a twin of the other? */
bool tine__is_twin(lua_State *L, int a, int b);
/* Push the key of the table at `t` that is a twin of the key at `key`, and was there before the
** call's changes. False, and nothing is pushed: there is none. `keys` is a table, empty at first,
** that caches which keys tables had. */
bool tine__push_twin(lua_State *L, int t, int key, int keys);

#endif
