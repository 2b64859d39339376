#include "base/thread.h"

#include <signal.h>

#include "base/error.h"
#include "base/proc.h"
#include "base/sys.h"

int tine__thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int error = sys.thread_create(thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (error)
        tine__proc_refused(error, "pthread_create");
    return error ? TINE_ESYSTEM : 0;
}
