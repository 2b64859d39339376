/* Threads of ours in a program that is not: signals are for its own, so all are blocked here, and SIGPIPE and SIGXFSZ are
** errors of the calls that would cause them.
*/
#ifndef TINE_BASE_THREAD_H
#define TINE_BASE_THREAD_H

#include <pthread.h>

/* Start one, to be joined. 0 or TINE_ESYSTEM. */
int tine__thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
