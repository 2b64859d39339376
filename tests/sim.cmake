# The scheduler against a site that answers at random (tests/sim/sim.h).
set(sim_sources main history drive order site check end shrink)
list(TRANSFORM sim_sources REPLACE "(.+)" "tests/sim/\\1.c")

tine_c_test(NAME sim/timer SOURCES tests/sim/timer.c VARIANTS address LABELS sim)
tine_c_test(NAME sim/histogram SOURCES tests/sim/histogram.c VARIANTS address LABELS sim)
tine_c_test(NAME sim/lies SOURCES tests/sim/lies.c VARIANTS address LABELS sim)
tine_c_test(NAME sim/stopped SOURCES tests/sim/stopped.c VARIANTS address LABELS sim)
tine_c_test(NAME sim/histories SOURCES ${sim_sources} VARIANTS address LABELS sim
  TIMEOUT 120)
tine_guarded_test(sim/soak 1800 "c;sim;soak" $<TARGET_FILE:test_sim_histories> -n 20000000 -s 1000000)
tine_guarded_test(sim/places 30 "c;sim" ${LUA_PROGRAM} tests/sim/mutants.lua --places)
tine_guarded_test(sim/mutants 1200 "c;sim;soak" ${LUA_PROGRAM} tests/sim/mutants.lua)
