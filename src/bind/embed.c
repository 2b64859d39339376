/* What the C library asks of the binding: worker states with the modules that are compiled in. */
#include "base/error.h"
#include "bind/preload.h"
#include "worker/root.h"

/* Here and not below, because the root's state is made from what this floor has. */
int tine_prepare(void) {
    tine__root_dress = tine__preload_modules;
    return tine__root_take();
}
