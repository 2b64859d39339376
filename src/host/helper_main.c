/* tine-helper: the root process of start_method = "spawn". All of it is in src/worker/helper.c;
** this file only gives it the name that the linker wants. */
#include "worker/helper.h"

int main(int argc, char **argv) {
    return tine__helper_main(argc, argv);
}
