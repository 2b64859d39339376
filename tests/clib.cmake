# The C library: include/tine.h from programs in C and C++, tests/clib/.

tine_c_test(NAME clib_basic SOURCES tests/clib/basic.c VARIANTS address thread NEEDS_LUA)
tine_c_test(NAME clib_threads SOURCES tests/clib/threads.c VARIANTS address thread NEEDS_LUA)
tine_c_test(NAME clib_lua SOURCES tests/clib/lua.c VARIANTS address NEEDS_LUA)

# What spec/c_examples_spec.lua talks to the server with.
add_executable(talk ${CMAKE_SOURCE_DIR}/tests/clib/talk.c)
set_target_properties(talk PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_include_directories(talk PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_compile_options(talk PRIVATE ${warnings})
