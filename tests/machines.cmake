# Pools on many machines: packets with anything in them, ways to a server. (The rest is in spec/machines.)

tine_c_test(NAME machines/packet SOURCES tests/fuzz_packet.c LABELS machines VARIANTS address NEEDS_LUA)

tine_c_test(NAME machines/ways SOURCES tests/gearman_ways.c LABELS machines)

tine_c_test(NAME machines/host SOURCES tests/gearman_host.c LABELS machines VARIANTS address NEEDS_LUA)

# Many more of them.
if(TARGET test_machines_packet.address)
  tine_guarded_test(machines/packet_soak 1800 soak $<TARGET_FILE:test_machines_packet.address> -n 10000000 -s 2)
endif()

# All that other machines do as this one does.
tine_guarded_test(spec/machines/both_all 900 soak ${CMAKE_COMMAND} -E env TINE_SPEC_BOTH=all
  ${spec_lua} tests/run_spec.lua spec/machines/both_spec.lua)

# And more of a bad network.
tine_guarded_test(spec/machines/damage_60 600 soak ${CMAKE_COMMAND} -E env TINE_SPEC_DAMAGE=60
  ${spec_lua} tests/run_spec.lua spec/machines/damage_spec.lua)

# build-fuzz/tests/fuzz_packet -max_total_time=600
if(TINE_FUZZ)
  tine_fuzzer(fuzz_packet ${CMAKE_SOURCE_DIR}/src/gearman/packet.c ${CMAKE_SOURCE_DIR}/src/gearman/message.c
    ${CMAKE_SOURCE_DIR}/src/gearman/seal.c)
endif()
