/* tine-helper: the root process of start_method = "spawn". All of it is in src/worker. This file
** adds `main`, and what only a higher floor can: worker states get the compiled-in modules. */
#include "bind/preload.h"
#include "worker/root/helper.h"
#include "worker/state/state.h"

int main(void) {
    tine__state_dress = tine__preload_worker;
    return tine__helper_main();
}
