# Shared memory, call queue, links, heap, wakeup, control sockets: tests/ipc/.

tine_c_test(NAME ipc_control SOURCES tests/ipc/control.c VARIANTS address)
tine_c_test(NAME ipc_queue SOURCES tests/ipc/queue.c VARIANTS address)
tine_c_test(NAME ipc_heap SOURCES tests/ipc/heap.c VARIANTS address)
tine_c_test(NAME ipc_link SOURCES tests/ipc/link.c VARIANTS address)
