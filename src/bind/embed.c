/* What the C library asks of the binding: worker states with the modules that are compiled in. */
#include <pthread.h>
#include "base/error.h"
#include "bind/preload.h"
#include "worker/root.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void dress(void) {
    tine__root_dress = tine__preload_modules;
}

/* Here and not below, because the root's state is made from what this floor has. */
int tine_prepare(void) {
    pthread_once(&once, dress);
    return tine__root_take();
}
