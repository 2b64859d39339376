# The example programs in C: examples/c/, linked as outside programs are, with the shared library.
function(tine_c_example name)
  add_executable(example_${name} ${CMAKE_SOURCE_DIR}/examples/c/${name}.c)
  set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
  target_include_directories(example_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_compile_definitions(example_${name} PRIVATE _GNU_SOURCE)
  target_compile_options(example_${name} PRIVATE ${warnings} ${sanitize})
  target_link_options(example_${name} PRIVATE ${sanitize})
  target_link_libraries(example_${name} PRIVATE tine_shared PkgConfig::MSGPACK Threads::Threads)
endfunction()

foreach(name render server threads)
  tine_c_example(${name})
endforeach()

# Those with a loop of a library, where that is found.
foreach(loop "uv;libuv" "glib;glib-2.0")
  list(GET loop 0 name)
  list(GET loop 1 library)
  string(TOUPPER ${name} NAME)
  pkg_check_modules(LOOP_${NAME} QUIET IMPORTED_TARGET ${library})
  if(LOOP_${NAME}_FOUND)
    tine_c_example(loop_${name})
    target_link_libraries(example_loop_${name} PRIVATE PkgConfig::LOOP_${NAME})
  endif()
endforeach()
