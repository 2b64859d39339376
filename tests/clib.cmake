# The C library: include/tine.h from programs in C and C++, tests/clib/.

tine_c_test(NAME clib_basic SOURCES tests/clib/basic.c VARIANTS address thread NEEDS_LUA)
tine_c_test(NAME clib_threads SOURCES tests/clib/threads.c VARIANTS address thread NEEDS_LUA)
tine_c_test(NAME clib_in_process SOURCES tests/clib/in_process.c NEEDS_LUA)
if(NOT TINE_SANITIZE) # it has a malloc of its own, whose memory a sanitizer's free does not know
  tine_c_test(NAME clib_memory SOURCES tests/clib/memory.c NEEDS_LUA)
endif()
tine_c_test(NAME clib_descriptor SOURCES tests/clib/descriptor.c VARIANTS thread NEEDS_LUA)
tine_c_test(NAME clib_events SOURCES tests/clib/events.c VARIANTS thread NEEDS_LUA)
tine_c_test(NAME clib_random SOURCES tests/clib/random_calls.c VARIANTS address thread NEEDS_LUA)
foreach(variant IN ITEMS .address .thread)
  if(TARGET test_clib_threads${variant})
    tine_guarded_test(clib_threads_soak${variant} 600 "c;soak" $<TARGET_FILE:test_clib_threads${variant}> -a)
  endif()
endforeach()
foreach(variant IN ITEMS "" .address .thread)
  if(TARGET test_clib_random${variant})
    tine_guarded_test(clib_random_soak${variant} 1800 "c;soak" $<TARGET_FILE:test_clib_random${variant}> -n 1500 -s 1000)
  endif()
endforeach()
tine_c_test(NAME clib_lua SOURCES tests/clib/lua.c VARIANTS address NEEDS_LUA)

# What spec/c_examples_spec.lua talks to the server with.
add_executable(talk ${CMAKE_SOURCE_DIR}/tests/clib/talk.c)
set_target_properties(talk PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_include_directories(talk PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_compile_options(talk PRIVATE ${warnings})

# Hooks: a library that workers load, and programs that name it.
add_library(clib_hook_library MODULE ${CMAKE_SOURCE_DIR}/tests/clib/hook_library.c)
set_target_properties(clib_hook_library PROPERTIES PREFIX "" OUTPUT_NAME hook_library
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_include_directories(clib_hook_library SYSTEM PRIVATE ${LUA_INCLUDE_DIRS})
target_compile_options(clib_hook_library PRIVATE ${warnings})
tine_c_test(NAME clib_hook SOURCES tests/clib/hook.c NEEDS_LUA)
target_compile_definitions(test_clib_hook PRIVATE
  HOOK_LIBRARY="${CMAKE_BINARY_DIR}/tests/hook_library.so")
set_target_properties(test_clib_hook PROPERTIES ENABLE_EXPORTS ON)
target_link_options(test_clib_hook PRIVATE -Wl,--no-as-needed)
add_dependencies(test_clib_hook clib_hook_library tine_helper)
