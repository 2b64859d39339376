/* The error that memory is missing. It is in a file of its own as it needs no way to a value:
** path.c, which makes the other messages, may fail with it.
*/
#include <lua.h>
#include "base/error.h"
#include "codec/encode/encoder.h"

int tine__encode_nomem(struct encoder *e) {
    lua_pushliteral(e->L, "not enough memory to encode a value");
    return TINE_ENOMEM;
}
