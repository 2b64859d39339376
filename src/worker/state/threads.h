/* Threads: which coroutine of a worker's Lua state runs. Lua does not say; so coroutine.resume, coroutine.wrap and
** coroutine.close of workers, which do what Lua's own do, note it.
*/
#ifndef TINE_WORKER_STATE_THREADS_H
#define TINE_WORKER_STATE_THREADS_H

#include <lua.h>

/* As far as is known. Read by a signal handler, which runs in a thread that has noted it. Pools without processes may run
** tasks in several threads of a program. */
extern _Thread_local lua_State *volatile tine__running_thread;

/* Replace the functions of the table `coroutine`. May raise memory errors. */
void tine__threads_open(lua_State *L);

#endif
