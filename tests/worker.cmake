# The worker floor, with a hand-played submitter.
tine_c_test(NAME worker/worker NEEDS_LUA VARIANTS address TIMEOUT 120 LABELS worker
  SOURCES tests/worker/test_worker.c tests/worker/submitter.c)
tine_c_test(NAME worker/faults NEEDS_LUA TIMEOUT 120 LABELS worker
  SOURCES tests/worker/test_faults.c tests/worker/submitter.c)
foreach(variant IN ITEMS test_worker_worker test_worker_worker.address)
  if(TARGET ${variant})
    add_dependencies(${variant} tine_helper)
  endif()
endforeach()
