# What is sent once: tests/store/.
tine_c_test(NAME store/store SOURCES tests/store/store.c LABELS store VARIANTS address thread)
