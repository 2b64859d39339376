# The C library: include/tine.h from programs in C and C++, tests/clib/.

tine_c_test(NAME clib_basic SOURCES tests/clib/basic.c VARIANTS address thread NEEDS_LUA)
tine_c_test(NAME clib_threads SOURCES tests/clib/threads.c VARIANTS address thread NEEDS_LUA)
tine_c_test(NAME clib_lua SOURCES tests/clib/lua.c VARIANTS address NEEDS_LUA)
