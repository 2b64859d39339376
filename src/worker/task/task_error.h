/* What an error that nobody caught says beyond its message when it came out of a task: to whoever shows it (the host
** program), or passes it on (a task that has waited for another one).
**
** Each error that is raised on behalf of a task is noted in the registry:
**
**     registry["tine.traceback"] = {error = the value raised, label = the task's label,
**                                   traceback = the worker's traceback}
*/
#ifndef TINE_WORKER_TASK_TASK_ERROR_H
#define TINE_WORKER_TASK_TASK_ERROR_H

#include <stdbool.h>
#include <lua.h>

/* The error on top of the stack is about to be raised for the task with this label and traceback (indices). May raise an
** error of memory. */
void tine__task_error_note(lua_State *L, int label, int traceback);
/* No error that was noted is of interest any more. */
void tine__task_error_forget(lua_State *L);
/* If the value at `err` was noted, push "\nin task LABEL, whose worker says:\nTRACEBACK", of which a long one is cut in its
** middle, and return true. */
bool tine__task_error_push(lua_State *L, int err);

#endif
