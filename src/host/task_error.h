/* What an uncaught error says beyond its message when it came out of a task. */
#ifndef TINE_HOST_TASK_ERROR_H
#define TINE_HOST_TASK_ERROR_H

#include <stdbool.h>
#include <lua.h>

/* The binding notes each error that it raises on behalf of a task, in the registry:
**
**     registry["tine.traceback"] = {error = the value raised, label = the task's label,
**                                   traceback = the worker's traceback}
**
** If that error is the value at `err`, push "\nin task LABEL:\n TRACEBACK" and return true. */
bool push_task_report(lua_State *L, int err);

#endif
