# Buffers and frozen tables: images with anything in them. (The rest is in spec/data.)

tine_c_test(NAME data/image SOURCES tests/fuzz_image.c LABELS data VARIANTS address NEEDS_LUA)

# Ten minutes of other images.
if(TARGET test_data_image.address)
  tine_guarded_test(data/image_soak 1800 soak $<TARGET_FILE:test_data_image.address> -n 300000 -s 2)
endif()

# build-fuzz/tests/fuzz_image -max_total_time=600
if(TINE_FUZZ)
  file(GLOB image_sources ${CMAKE_SOURCE_DIR}/src/data/*.c)
  foreach(part IN ITEMS arena seats slots region)
    list(APPEND image_sources ${CMAKE_SOURCE_DIR}/src/ipc/${part}.c)
  endforeach()
  tine_fuzzer(fuzz_image ${image_sources})
endif()
