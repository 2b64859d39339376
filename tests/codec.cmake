# The codec: a module for its specs and its benchmark, the specs under sanitizers, and the fuzzer.

add_library(tine_codec_test MODULE tests/codec_module.c $<TARGET_OBJECTS:tine_objects>)
set_target_properties(tine_codec_test PROPERTIES PREFIX "" SUFFIX ".so" C_VISIBILITY_PRESET default
  LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/lua/5.4)
target_include_directories(tine_codec_test PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
target_include_directories(tine_codec_test SYSTEM PRIVATE ${LUA_INCLUDE_DIRS} ${MSGPACK_INCLUDE_DIRS})
target_compile_definitions(tine_codec_test PRIVATE _GNU_SOURCE)
target_compile_options(tine_codec_test PRIVATE ${warnings} ${core_options})
target_link_libraries(tine_codec_test PRIVATE tine_needs)

# spec/codec in one process, linked with the codec, of which allocations fail: plain, and under AddressSanitizer and
# UndefinedBehaviorSanitizer.
tine_c_test(NAME codec/specs NEEDS_LUA VARIANTS address TIMEOUT 300 LABELS codec
  SOURCES tests/codec_host.c tests/codec_module.c)

# More random programs are in spec/codec/random; here some are enough.
foreach(variant IN ITEMS codec/specs codec/specs.address)
  if(TEST ${variant})
    set_tests_properties(${variant} PROPERTIES ENVIRONMENT "TINE_TRAVELLERS=100;TINE_SANITIZE=${TINE_SANITIZE}")
  endif()
endforeach()

# Many more of the random programs, and these again.
tine_guarded_test(spec/codec/random_100000 3600 soak ${CMAKE_COMMAND} -E env TINE_TRAVELLERS=100000
  TINE_TRAVELLERS_FROM=1 ${spec_lua} tests/run_spec.lua spec/codec/random_spec.lua)

# build-fuzz/tests/fuzz_codec -max_total_time=600 tests/fuzz/corpus
if(TINE_FUZZ)
  file(GLOB_RECURSE codec_sources ${CMAKE_SOURCE_DIR}/src/codec/*.c ${CMAKE_SOURCE_DIR}/src/data/*.c)
  foreach(part IN ITEMS arena seats slots region)
    list(APPEND codec_sources ${CMAKE_SOURCE_DIR}/src/ipc/${part}.c)
  endforeach()
  tine_fuzzer(fuzz_codec ${codec_sources})
  # what once went wrong must not again
  file(GLOB regressions ${CMAKE_SOURCE_DIR}/tests/fuzz/regressions/*)
  add_test(NAME codec/fuzz_regressions COMMAND fuzz_codec ${regressions})
  add_test(NAME codec/fuzz_corpus COMMAND fuzz_codec -runs=0 ${CMAKE_SOURCE_DIR}/tests/fuzz/corpus)
endif()
