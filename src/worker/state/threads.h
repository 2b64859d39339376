/* Threads: which coroutine of a worker's Lua state is running. Lua does not tell; so in workers
** coroutine.resume, wrap and close are replaced by versions that do the same and note it.
*/
#ifndef TINE_WORKER_STATE_THREADS_H
#define TINE_WORKER_STATE_THREADS_H

#include <lua.h>

/* The running coroutine, as far as known. Read by a signal handler in the thread that wrote it.
** Pools without processes may run tasks in several threads of a program. */
extern _Thread_local lua_State *volatile tine__running_thread;

/* Replace these functions in the table `coroutine`. May raise memory errors. */
void tine__threads_open(lua_State *L);

#endif
