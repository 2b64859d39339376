# Proofs by faults (tests/proof): long ones have the label "soak" and run with scripts/test --soak.

# The host program of a core in which calls can fail and processes die on demand.
tine_variant_objects(faults proof_objects proof_options)
add_executable(tine_faults ${host_sources} ${cli_sources_c} $<TARGET_OBJECTS:${proof_objects}>)
set_target_properties(tine_faults PROPERTIES ENABLE_EXPORTS ON RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
target_include_directories(tine_faults PRIVATE
  $<TARGET_PROPERTY:${proof_objects},INTERFACE_INCLUDE_DIRECTORIES>)
target_include_directories(tine_faults SYSTEM PRIVATE ${LUA_INCLUDE_DIRS})
target_compile_definitions(tine_faults PRIVATE _GNU_SOURCE)
target_compile_options(tine_faults PRIVATE ${warnings} ${proof_options})
tine_unity(tine_faults)
target_link_options(tine_faults PRIVATE ${proof_options} ${test_linker} -Wl,--no-as-needed)
target_link_libraries(tine_faults PRIVATE tine_needs PkgConfig::LUA m)

# tine_proof(name seconds labels script arguments...)
function(tine_proof name seconds labels script)
  tine_guarded_test(proof/${name} ${seconds} "proof;${labels}"
    ${spec_lua} tests/proof/${script}.lua ${ARGN})
  set_tests_properties(proof/${name} PROPERTIES COST ${seconds}) # long ones first: none is alone at the end
endfunction()

set(faults $<TARGET_FILE:tine_faults>)
tine_proof(kill_matrix 200 "" kill_matrix ${faults} pairs)
tine_proof(kill_matrix_all 400 soak kill_matrix ${faults})
tine_proof(kill_rounds 100 "" rounds 5000)
tine_proof(kill_rounds_100000 1200 soak rounds 100000)
tine_proof(ask_rounds 100 "" ask_rounds 2000)
tine_proof(ask_rounds_100000 1800 soak ask_rounds 100000)
tine_proof(outside_kills 60 "" outside 10)
tine_proof(outside_kills_300 500 soak outside 300)
tine_proof(fault_table 200 "" fault_table ${faults} 2 shown)
tine_proof(fault_table_40 1800 soak fault_table ${faults} 40)
tine_proof(random_calls 100 "" random_calls 50 1)
tine_proof(random_calls_5000 1800 soak random_calls 5000)
tine_proof(mixed 60 "" mixed 8)
tine_proof(mixed_600 900 soak mixed 600)
tine_guarded_test(proof/mixed_600_one_core 900 "proof;soak" taskset -c 0 ${spec_lua} tests/proof/mixed.lua 600)
tine_proof(memory 1200 soak memory)
tine_proof(limits 900 soak limits)
