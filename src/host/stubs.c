/* Stand-ins until the binding has them; they go then. */
#include "bind/preload.h"

__attribute__((weak)) void tine__preload_modules(lua_State *L) {
    (void)L;
}

__attribute__((weak)) void tine__kill_pools(lua_State *L) {
    (void)L;
}
