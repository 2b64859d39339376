/* Ask: a running task is asked to end, by abort or because of a limit, before its worker is killed.
**
** The request is stored in the link (ipc/link.h), where it belongs to one task. Then the fork
** server sends the worker ASK_SIGNAL, which carries nothing: the handler looks into the link and
** does what lua.c does for Ctrl-C, it sets a hook in the running coroutine, which raises an error
** at the next Lua instruction. Pending <close> variables are closed, and the worker goes on with
** its next task.
**
** WHICH COROUTINE RUNS is known if it was resumed by coroutine.resume or coroutine.wrap
** (state/threads.h). One that a C library resumes itself is reached only when it yields or ends.
**
** HOOKS DO NOT RUN in C code, in finalizers, and inside other hooks; and a task may replace them.
** So a timer repeats the signal until the hook has run or the task has ended. The error is raised
** once; what the task then does is its business, until its grace is over.
**
** WHERE A TASK STANDS can be inquired in the same way, when somebody looks at the pool from
** outside: the hook writes that into the link, and restores the task's own hook.
**
** System calls that the signal interrupts are restarted, as far as the kernel can. Programs that a
** task starts inherit neither handler nor timer.
**
** All functions are called in the worker's thread; its state is per process.
*/
#ifndef TINE_WORKER_TASK_ASK_H
#define TINE_WORKER_TASK_ASK_H

#include <lua.h>
#include <signal.h>
#include <stdbool.h>
#include "base/buf.h"
#include "worker/channel/channel.h"

#define ASK_SIGNAL (SIGRTMAX - 3)

/* Pushes one of Tine's error objects. Set by a higher floor, which knows them; or NULL. */
extern void (*_Atomic tine__push_error)(lua_State *L, int code, const char *text);
/* Push such an error object, or only the text if the hook above is not set.
** May raise memory errors. */
void tine__error_value(lua_State *L, int code, const char *text);

/* In a worker process: make its tasks askable. Makes a registry key, and may raise memory
** errors. */
void tine__ask_open(lua_State *L, struct channel *channel);
/* Around the running of each task. True: the task was asked to end before it began, and must not
** run. With any other channel than the worker process's own (a pool without processes) the task is
** not interrupted here. */
bool tine__ask_begin(lua_State *L, struct channel *channel);
void tine__ask_end(lua_State *L, const struct channel *channel);
/* Around a task that runs on top of the current one. */
struct ask_below {
    lua_State *running;
    bool armed;
};
void tine__ask_leave(struct ask_below *below, const struct channel *channel);
void tine__ask_return(const struct ask_below *below, const struct channel *channel);
/* Was the current task asked to end, and has its hook not run yet? */
bool tine__ask_pending(const struct channel *channel);
/* In a worker process: was the running task asked to end? */
bool tine__ask_stopping(void);
/* Write the answer of a task that has ended as asked: the traceback of where the error was raised,
** if it was. Kills the programs that the task has started, since `since`, and that still run. */
void tine__ask_answer(lua_State *L, const struct channel *channel, struct buf *out, uint64_t since);
/* In a hook of the running task: raise the error for `asked` (RUN_ASKED, RUN_TIMED). */
void tine__ask_raise(lua_State *L, unsigned asked);

#endif
