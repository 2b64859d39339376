# The worker floor, with a hand-played submitter.
tine_c_test(NAME worker NEEDS_LUA VARIANTS address faults
  SOURCES tests/worker/test_worker.c tests/worker/submitter.c)
