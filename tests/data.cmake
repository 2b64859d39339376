# Buffers and frozen tables: images with anything in them. (The rest is in spec/data.)

tine_c_test(NAME data/image SOURCES tests/fuzz_image.c LABELS data VARIANTS address NEEDS_LUA)

# Ten minutes of other images.
if(TARGET test_data_image.address)
  tine_guarded_test(data/image_soak 1800 soak $<TARGET_FILE:test_data_image.address> -n 1000000 -s 2)
endif()

# build-fuzz/tests/fuzz_image -max_total_time=600
if(TINE_FUZZ)
  file(GLOB image_sources ${CMAKE_SOURCE_DIR}/src/data/*.c ${CMAKE_SOURCE_DIR}/src/base/*.c)
  foreach(part IN ITEMS arena seats slots region)
    list(APPEND image_sources ${CMAKE_SOURCE_DIR}/src/ipc/${part}.c)
  endforeach()
  add_executable(fuzz_image tests/fuzz_image.c ${image_sources})
  set_target_properties(fuzz_image PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(fuzz_image PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  target_include_directories(fuzz_image SYSTEM PRIVATE ${LUA_INCLUDE_DIRS})
  target_compile_definitions(fuzz_image PRIVATE _GNU_SOURCE TINE_LIBFUZZER)
  target_compile_options(fuzz_image PRIVATE -fsanitize=fuzzer,address,undefined -UNDEBUG)
  target_link_options(fuzz_image PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_libraries(fuzz_image PRIVATE PkgConfig::LUA m)
endif()
