/* Ask: a running task is asked to end, by abort or a limit, before its worker is killed.
**
** Who asks has said so in the link (ipc/link.h), where the request belongs to one task, and then has the fork server
** send ASK_SIGNAL, which carries nothing: its handler looks into the link, and does as lua.c does for Ctrl-C: it sets a
** hook in the coroutine that runs, which raises at the next Lua instruction there. Variables to be closed are, and the
** worker goes on with its next task.
**
** WHICH COROUTINE RUNS is known of those that are resumed by coroutine.resume and coroutine.wrap (state/threads.h). What is
** resumed by a C library itself is only reached when it yields or ends.
**
** A HOOK IS NOT RUN while C code runs, in finalizers, and inside of another hook; a task may also replace it. So the
** signal comes again, by a timer, until the hook has run or the task has ended. It raises once; what the task does
** then is its business, until its grace is over.
**
** WHERE A TASK STANDS can be inquired in the same way, when somebody looks at the pool from outside: the hook writes it into
** the link, and gives the task's own hook back.
**
** System calls that the signal interrupts are restarted, as far as the kernel can. Programs that a task starts inherit
** neither handler nor timer.
*/
#ifndef TINE_WORKER_TASK_ASK_H
#define TINE_WORKER_TASK_ASK_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include "base/buf.h"
#include "worker/channel/channel.h"

#define ASK_SIGNAL (SIGRTMAX - 3)

/* Pushes an error object of ours: set by the floor above, which knows them; or NULL. */
extern void (*_Atomic tine__push_error)(lua_State *L, int code, const char *text);
/* Push one, or the text where nobody knows them. May raise memory errors. */
void tine__error_value(lua_State *L, int code, const char *text);

/* In a worker: from now on it can be asked. The state makes a registry key, and may raise memory errors. */
void tine__ask_open(lua_State *L, struct channel *channel);
/* Around the running of each task. True: it was asked before it has begun, and is not to run. One of another channel than
** the worker's (a pool without processes) is not told while it runs. */
bool tine__ask_begin(lua_State *L, struct channel *channel);
void tine__ask_end(lua_State *L, const struct channel *channel);
/* Another task is going to run on top of the one that does, and has ended. */
struct ask_below {
    lua_State *running;
    bool armed;
};
void tine__ask_leave(struct ask_below *below, const struct channel *channel);
void tine__ask_return(const struct ask_below *below, const struct channel *channel);
/* Was it asked to end, and has not been told? Then its hook is to run. */
bool tine__ask_pending(const struct channel *channel);
/* In a worker: was the task that runs asked to end? */
bool tine__ask_stopping(void);
/* What a task answers that was asked to end, and has: the traceback of the place where the error was raised, if it was.
** The programs that it has started, and that still run, are killed. `since`: when it began. */
void tine__ask_answer(lua_State *L, const struct channel *channel, struct buf *out, uint64_t since);
/* In a hook of the task that runs: raise what it is told by (RUN_ASKED, RUN_TIMED). */
void tine__ask_raise(lua_State *L, unsigned asked);

#endif
