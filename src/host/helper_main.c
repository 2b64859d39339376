/* tine-helper: the root process of start_method = "spawn". All of it is in src/worker; this file gives
** it the name that the linker wants, and what only a higher floor can: the states of workers get the
** modules that are compiled in. */
#include "bind/preload.h"
#include "worker/root/helper.h"
#include "worker/state/state.h"

int main(void) {
    tine__state_dress = tine__preload_worker;
    return tine__helper_main();
}
