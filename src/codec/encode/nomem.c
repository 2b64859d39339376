/* The one error of encoding that needs no way to it, so that those who find the way (path.c) can fail, too. */
#include <lua.h>
#include "base/error.h"
#include "codec/encode/encoder.h"

int tine__encode_nomem(struct encoder *e) {
    lua_pushliteral(e->L, "not enough memory to encode a value");
    return TINE_ENOMEM;
}
