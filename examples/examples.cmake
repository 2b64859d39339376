# The example programs in C: examples/c/, linked as outside programs are, with the shared library.
foreach(name render server threads)
  add_executable(example_${name} ${CMAKE_SOURCE_DIR}/examples/c/${name}.c)
  set_target_properties(example_${name} PROPERTIES OUTPUT_NAME ${name}
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/examples)
  target_include_directories(example_${name} PRIVATE ${CMAKE_SOURCE_DIR}/include)
  target_compile_definitions(example_${name} PRIVATE _GNU_SOURCE)
  target_compile_options(example_${name} PRIVATE ${warnings} ${sanitize})
  target_link_options(example_${name} PRIVATE ${sanitize})
  target_link_libraries(example_${name} PRIVATE tine_shared PkgConfig::MSGPACK Threads::Threads)
endforeach()
