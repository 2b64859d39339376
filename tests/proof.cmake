# Proofs by faults (tests/proof): long ones have the label "soak" and run with scripts/test --soak.

# tine_proof(name seconds labels script arguments...)
function(tine_proof name seconds labels script)
  tine_guarded_test(proof/${name} ${seconds} "proof;${labels}"
    ${spec_lua} tests/proof/${script}.lua ${ARGN})
  set_tests_properties(proof/${name} PROPERTIES COST ${seconds}) # long ones first: none is alone at the end
endfunction()

if(TINE_FAULTS)
  tine_proof(kill_matrix 200 "" kill_matrix $<TARGET_FILE:tine_program> points)
  tine_proof(kill_matrix_all 400 soak kill_matrix $<TARGET_FILE:tine_program>)
  tine_proof(fault_table 200 "" fault_table $<TARGET_FILE:tine_program> 1)
  tine_proof(fault_table_40 1800 soak fault_table $<TARGET_FILE:tine_program> 40)
endif()
tine_proof(kill_rounds 100 "" rounds 2500)
tine_proof(kill_rounds_100000 1200 soak rounds 100000)
tine_proof(ask_rounds 100 "" ask_rounds 1000)
tine_proof(ask_rounds_100000 1800 soak ask_rounds 100000)
tine_proof(outside_kills 60 "" outside 10)
tine_proof(outside_kills_300 500 soak outside 300)
tine_proof(random_calls 100 "" random_calls 25 1)
tine_proof(random_calls_5000 1800 soak random_calls 5000)
tine_proof(mixed 60 "" mixed 8)
tine_proof(mixed_600 900 soak mixed 600)
tine_guarded_test(proof/mixed_600_one_core 900 "proof;soak" taskset -c 0 ${spec_lua} tests/proof/mixed.lua 600)
tine_proof(memory 1200 soak memory)
tine_proof(limits 900 soak limits)
