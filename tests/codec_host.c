/* Runs the specs of the codec in this process, with the codec linked in.
**
** A program of its own, and not lua5.4 with a module, so that sanitizers see everything and so that
** builds with TINE_FAULTS can starve the codec (see c:starve in codec_module.c).
*/
#include <stdio.h>
#include <stdlib.h>

#include <lauxlib.h>
#include <lualib.h>

int luaopen_tine_codec_test(lua_State *L);

static const char script[] = "local root = assert(os.getenv 'TINE_SOURCE_DIR')\n"
                             "package.path = root .. '/?.lua;' .. package.path\n"
                             "arg = { [0] = 'run_spec.lua', root .. '/spec/codec' }\n"
                             "dofile(root .. '/tests/run_spec.lua')\n";

int main(void) {
    lua_State *L = luaL_newstate();
    if (!L)
        return EXIT_FAILURE;
    luaL_openlibs(L);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_pushcfunction(L, luaopen_tine_codec_test);
    lua_setfield(L, -2, "tine_codec_test");
    int status = luaL_dostring(L, script); /* busted ends the program itself, with its exit code */
    if (status)
        fprintf(stderr, "%s\n", lua_tostring(L, -1));
    lua_close(L);
    return status ? EXIT_FAILURE : EXIT_SUCCESS;
}
