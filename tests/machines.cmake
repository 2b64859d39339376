# Pools on many machines: packets with anything in them. (The rest is in spec/machines.)

tine_c_test(NAME machines/packet SOURCES tests/fuzz_packet.c LABELS machines VARIANTS address NEEDS_LUA)

# Many more of them.
if(TARGET test_machines_packet.address)
  tine_guarded_test(machines/packet_soak 1800 soak $<TARGET_FILE:test_machines_packet.address> -n 10000000 -s 2)
endif()

# And more of a bad network.
tine_guarded_test(spec/machines/damage_60 600 soak ${CMAKE_COMMAND} -E env TINE_SPEC_DAMAGE=60
  ${spec_lua} tests/run_spec.lua spec/machines/damage_spec.lua)

# build-fuzz/tests/fuzz_packet -max_total_time=600
if(TINE_FUZZ)
  file(GLOB packet_sources ${CMAKE_SOURCE_DIR}/src/gearman/packet.c ${CMAKE_SOURCE_DIR}/src/gearman/message.c
    ${CMAKE_SOURCE_DIR}/src/gearman/seal.c ${CMAKE_SOURCE_DIR}/src/base/*.c)
  add_executable(fuzz_packet tests/fuzz_packet.c ${packet_sources})
  set_target_properties(fuzz_packet PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(fuzz_packet PRIVATE ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR}/include)
  target_include_directories(fuzz_packet SYSTEM PRIVATE ${LUA_INCLUDE_DIRS})
  target_compile_definitions(fuzz_packet PRIVATE _GNU_SOURCE TINE_LIBFUZZER)
  target_compile_options(fuzz_packet PRIVATE -fsanitize=fuzzer,address,undefined -UNDEBUG)
  target_link_options(fuzz_packet PRIVATE -fsanitize=fuzzer,address,undefined)
  target_link_libraries(fuzz_packet PRIVATE PkgConfig::LUA m)
endif()
