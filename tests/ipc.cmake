# Shared memory, call queue, links, heap, wakeup, control sockets: tests/ipc/.

tine_c_test(NAME ipc/control SOURCES tests/ipc/control.c LABELS ipc VARIANTS address)
tine_c_test(NAME ipc/queue SOURCES tests/ipc/queue.c LABELS ipc VARIANTS address)
tine_c_test(NAME ipc/heap SOURCES tests/ipc/heap.c LABELS ipc VARIANTS address)
tine_c_test(NAME ipc/link SOURCES tests/ipc/link.c LABELS ipc VARIANTS address)
tine_c_test(NAME ipc/threads SOURCES tests/ipc/threads.c LABELS ipc VARIANTS thread address)
tine_c_test(NAME ipc/ring SOURCES tests/ipc/ring.c LABELS ipc VARIANTS address)
tine_c_test(NAME ipc/kill SOURCES tests/ipc/kill.c LABELS ipc VARIANTS address)
if(TINE_FAULTS)
  tine_guarded_test(ipc/kill_points 180 "c;ipc;soak" $<TARGET_FILE:test_ipc_kill> -a)
endif()
tine_c_test(NAME ipc/faults SOURCES tests/ipc/faults.c LABELS ipc)
tine_c_test(NAME ipc/wakes SOURCES tests/ipc/wakes.c LABELS ipc VARIANTS thread)
