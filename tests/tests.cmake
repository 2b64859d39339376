# All tests, registered with CTest.
#
# spec/**/*_spec.lua    one test each, named after the file, run by tests/run_spec.lua under the
#                       guard (tests/guard.c). A line "-- timeout: 120" near the head of a spec sets
#                       its seconds, a line "-- labels: soak" its CTest labels.
# tests/*.cmake         C tests; each fragment uses tine_c_test (below).

set(default_timeout 180)

include(cmake/unity.cmake)
tine_unity_groups(${core_sources} ${host_sources})

# Has a target compiled several files at a time. (-Wshadow would tell of names in two files.)
function(tine_unity name)
  set_target_properties(${name} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  target_compile_options(${name} PRIVATE -Wno-shadow)
endfunction()

# Programs of tests are linked by the linker that takes half of the time, where there is one.
include(CheckLinkerFlag)
check_linker_flag(C -fuse-ld=gold TINE_GOLD)
set(test_linker $<$<BOOL:${TINE_GOLD}>:-fuse-ld=gold>)

add_library(tine_objects_archive ALIAS tine_static)

# What runs under sanitizers: built and run with `scripts/test --sanitize`, or with --soak.
add_custom_target(sanitized)

add_executable(guard tests/guard.c)
target_compile_definitions(guard PRIVATE _GNU_SOURCE)
target_compile_options(guard PRIVATE ${warnings})

# One test under the guard, which prints every thread's stack when the time is up, and fails when a
# process or a piece of shared memory is left. CTest's own limit is only a second net.
function(tine_guarded_test name seconds labels)
  add_test(NAME ${name} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR}
    COMMAND guard ${seconds} ${CMAKE_SOURCE_DIR}/scripts/env ${CMAKE_BINARY_DIR} ${ARGN})
  math(EXPR outer "${seconds} + 60")
  set_tests_properties(${name} PROPERTIES TIMEOUT ${outer} LABELS "${labels}"
    ENVIRONMENT "TINE_SANITIZE=${TINE_SANITIZE}")
endfunction()

# tine_c_test(NAME name SOURCES files... [VARIANTS variants...] [TIMEOUT seconds] [LABELS labels]
#             [NEEDS_LUA])
#
# A C program whose exit code 0 means passed, linked with the core's objects. It is built and run
# once as it is, and once more for each variant: "address", "thread" (the whole core compiled with
# that sanitizer). Test names: name, name.address, name.thread. Variants have the label "sanitizer".
function(tine_c_test)
  cmake_parse_arguments(T "NEEDS_LUA" "NAME;TIMEOUT" "SOURCES;VARIANTS;LABELS" ${ARGN})
  if(NOT T_TIMEOUT)
    set(T_TIMEOUT ${default_timeout})
  endif()
  set(variants plain)
  if(NOT TINE_SANITIZE) # otherwise the plain one has it already
    list(APPEND variants ${T_VARIANTS})
  endif()
  foreach(variant IN LISTS variants)
    tine_variant_objects(${variant} objects options)
    set(test ${T_NAME}.${variant})
    set(labels c ${T_LABELS} sanitizer)
    if(variant STREQUAL "plain")
      set(test ${T_NAME})
      set(labels c ${T_LABELS})
    endif()
    string(REPLACE "/" "_" target test_${test})
    add_executable(${target} ${T_SOURCES})
    if(NOT variant STREQUAL "plain")
      set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
      add_dependencies(sanitized ${target})
    endif()
    set_target_properties(${target} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests
      $<TARGET_PROPERTY:${objects},INTERFACE_INCLUDE_DIRECTORIES>)
    target_include_directories(${target} SYSTEM PRIVATE ${LUA_INCLUDE_DIRS}
      ${MSGPACK_INCLUDE_DIRS})
    target_compile_definitions(${target} PRIVATE _GNU_SOURCE)
    target_compile_options(${target} PRIVATE ${warnings} -UNDEBUG ${options})
    target_link_options(${target} PRIVATE ${options} ${test_linker})
    target_link_libraries(${target} PRIVATE ${objects}_archive tine_needs PkgConfig::LUA m)
    tine_guarded_test(${test} ${T_TIMEOUT} "${labels}" $<TARGET_FILE:${target}>)
  endforeach()
endfunction()

# The object library of a variant, made at its first use (<name>_archive: the same as an archive, of
# which a test takes only what it needs), and the options it was compiled with.
function(tine_variant_objects variant objects options)
  if(variant STREQUAL "plain")
    set(${objects} tine_objects PARENT_SCOPE)
    set(${options} "${core_options}" PARENT_SCOPE)
    return()
  endif()
  tine_sanitizer_flags(${variant} flags)
  list(APPEND flags ${with_faults} -O1 -g1 -UNDEBUG) # what finds most for the least of the compiler's time
  if(NOT TARGET tine_objects_${variant})
    tine_core_objects(tine_objects_${variant} ${flags})
    tine_unity(tine_objects_${variant})
    set_target_properties(tine_objects_${variant} PROPERTIES EXCLUDE_FROM_ALL ON)
    add_library(tine_objects_${variant}_archive STATIC EXCLUDE_FROM_ALL
      $<TARGET_OBJECTS:tine_objects_${variant}>)
  endif()
  set(${objects} tine_objects_${variant} PARENT_SCOPE)
  set(${options} "${flags}" PARENT_SCOPE)
endfunction()

# A libFuzzer target, tests/<name>.c with these sources and the base (TINE_FUZZ).
function(tine_fuzzer name)
  file(GLOB base ${CMAKE_SOURCE_DIR}/src/base/*.c)
  set(options -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -UNDEBUG)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/${name}.c ${ARGN} ${base})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  target_include_directories(${name} SYSTEM PRIVATE ${LUA_INCLUDE_DIRS} ${MSGPACK_INCLUDE_DIRS})
  target_compile_definitions(${name} PRIVATE _GNU_SOURCE TINE_LIBFUZZER)
  target_compile_options(${name} PRIVATE ${options})
  target_link_options(${name} PRIVATE ${options})
  target_link_libraries(${name} PRIVATE PkgConfig::LUA m)
endfunction()

# Value of a line "-- key: value" in the first lines of a spec, or the default.
function(tine_spec_setting file key default result)
  file(STRINGS ${file} lines LIMIT_COUNT 30 REGEX "^-- ${key}: ")
  set(value ${default})
  if(lines)
    list(GET lines 0 line)
    string(REGEX REPLACE "^-- ${key}: *" "" value "${line}")
  endif()
  set(${result} "${value}" PARENT_SCOPE)
endfunction()

# The module in plain lua5.4; with a sanitizer the host program, which alone is built with it.
find_program(LUA_PROGRAM NAMES lua5.4 lua54 lua REQUIRED)
set(spec_lua ${LUA_PROGRAM})
if(TINE_SANITIZE)
  set(spec_lua $<TARGET_FILE:tine_program>)
endif()

file(GLOB_RECURSE specs CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/spec/*_spec.lua)
foreach(spec IN LISTS specs)
  file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/spec ${spec})
  string(REGEX REPLACE "_spec\\.lua$" "" name ${name})
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${spec})
  tine_spec_setting(${spec} timeout ${default_timeout} seconds)
  tine_spec_setting(${spec} labels "" labels)
  string(REPLACE " " ";" labels "${labels}")
  tine_guarded_test(spec/${name} ${seconds} "spec;${labels}"
    ${spec_lua} tests/run_spec.lua ${spec})
endforeach()

file(GLOB fragments CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/tests/*.cmake)
list(REMOVE_ITEM fragments ${CMAKE_CURRENT_LIST_FILE})
foreach(fragment IN LISTS fragments)
  include(${fragment})
endforeach()

# Those that take longest begin first, so that none is alone at the end.
foreach(test IN ITEMS codec/specs.address=60 ipc/ring.address=60 spec/machines/losses=45 spec/busted_command=40
        spec/install=35 spec/map_control=30 spec/machines/both=30 spec/docs=30 ipc/kill.address=30
        spec/edges=25 spec/examples=25 spec/in_process=25 worker/worker.address=25 spec/nested=20
        edges/environments=20 edges/hostile.address=20 clib_threads.thread=20 spec/contract/output=20
        spec/map_commands=20 codec/specs=20 clib_events.thread=15 data/image.address=15
        store/store.thread=15 spec/completion=15 spec/contract/fork=15 ipc/wakes=15)
  string(REPLACE "=" ";" test ${test})
  list(GET test 1 seconds)
  list(GET test 0 test)
  if(TEST ${test})
    set_tests_properties(${test} PROPERTIES COST ${seconds})
  endif()
endforeach()

# The longest of the variants; there are none in a build under a sanitizer.
foreach(test IN ITEMS codec/specs.address ipc/ring.address)
  if(TEST ${test})
    set_property(TEST ${test} APPEND PROPERTY LABELS soak)
  endif()
endforeach()
