# C tests of src/base.
tine_c_test(NAME base/stream SOURCES tests/base/stream.c VARIANTS address LABELS base)
tine_c_test(NAME base/fault SOURCES tests/base/fault.c LABELS base)
tine_c_test(NAME base/buf SOURCES tests/base/buf.c VARIANTS address LABELS base)
tine_c_test(NAME base/alloc SOURCES tests/base/alloc.c LABELS base)
tine_c_test(NAME base/slab SOURCES tests/base/slab.c VARIANTS address LABELS base)
tine_c_test(NAME base/yield SOURCES tests/base/yield.c LABELS base)
tine_c_test(NAME base/ticker SOURCES tests/base/ticker.c LABELS base)
tine_c_test(NAME base/tail SOURCES tests/base/tail.c VARIANTS address LABELS base)
