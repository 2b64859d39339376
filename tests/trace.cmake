# Traces: tests/trace/.
tine_c_test(NAME trace/pages SOURCES tests/trace/pages.c LABELS trace VARIANTS address)
tine_c_test(NAME trace/format SOURCES tests/trace/format.c LABELS trace VARIANTS address)
tine_c_test(NAME trace/blocks SOURCES tests/trace/blocks.c LABELS trace VARIANTS address thread)
