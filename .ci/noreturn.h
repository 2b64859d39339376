/* What Lua's headers do not tell a compiler, nor ours: read before each file that scripts/lint has analysed. */
#include <lauxlib.h>

__attribute__((noreturn)) int lua_error(lua_State *L);
__attribute__((noreturn)) int luaL_error(lua_State *L, const char *format, ...);
__attribute__((noreturn)) int luaL_argerror(lua_State *L, int arg, const char *extra);
__attribute__((noreturn)) int luaL_typeerror(lua_State *L, int arg, const char *name);
__attribute__((noreturn)) int tine__error(lua_State *L, int code, const char *format, ...);
