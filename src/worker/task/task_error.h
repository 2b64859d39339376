/* What an error that came out of a task says beyond its message, for whoever shows it (the host
** program) or passes it on (a task that has waited for another one).
**
** An error that is raised on behalf of a task is noted in the registry:
**
**     registry["tine.traceback"] = {error = the value raised, label = the task's label,
**                                   traceback = the worker's traceback}
*/
#ifndef TINE_WORKER_TASK_TASK_ERROR_H
#define TINE_WORKER_TASK_TASK_ERROR_H

#include <stdbool.h>
#include <lua.h>

/* Note the error on top of the stack, which is about to be raised, with the task's label and
** traceback (stack indices). May raise memory errors. */
void tine__task_error_note(lua_State *L, int label, int traceback);
/* Forget the noted error. */
void tine__task_error_forget(lua_State *L);
/* If the value at `err` was noted, push "\nin task LABEL, whose worker says:\nTRACEBACK" and return
** true. A long traceback is cut in its middle. */
bool tine__task_error_push(lua_State *L, int err);

#endif
