# The edges of the system: tests/edges/.

tine_c_test(NAME edges/hostile SOURCES tests/edges/hostile.c VARIANTS address thread NEEDS_LUA
  TIMEOUT 180 LABELS edges)
foreach(variant IN ITEMS test_edges_hostile test_edges_hostile.address test_edges_hostile.thread)
  if(TARGET ${variant})
    add_dependencies(${variant} tine_helper)
  endif()
endforeach()

if(TARGET test_edges_hostile.thread) # the slowest of all, and what it says others say too
  set_tests_properties(edges/hostile.thread PROPERTIES LABELS "c;edges;soak")
endif()

# Odd environments.
add_executable(refuse ${CMAKE_SOURCE_DIR}/tests/edges/refuse.c)
set_target_properties(refuse PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_compile_options(refuse PRIVATE ${warnings})
if(NOT TINE_SANITIZE)
  tine_guarded_test(edges/environments 180 "edges" ${LUA_PROGRAM} tests/edges/edges.lua)
  tine_guarded_test(edges/environments_all 900 "edges;soak" ${LUA_PROGRAM} tests/edges/edges.lua soak)
endif()
