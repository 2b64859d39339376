/* Threads of Tine in the program. All signals are blocked in them, since signals are meant for the
** program's own threads; SIGPIPE and SIGXFSZ so become errors of the calls that would raise them.
*/
#ifndef TINE_BASE_THREAD_H
#define TINE_BASE_THREAD_H

#include <pthread.h>

/* Start a thread, which has to be joined. 0 or TINE_ESYSTEM. */
int tine__thread_start(pthread_t *thread, void *(*run)(void *arg), void *arg);

#endif
