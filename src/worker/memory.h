/* Memory: a limit on what a task adds to its worker's Lua state.
**
** Exact: while a limited task runs an allocator counts, from what is live when its arguments have been decoded (all that
** is garbage then is collected first). An allocation beyond the limit fails. Lua then collects the garbage of the task,
** and tries again; if that does not help it raises its own "not enough memory" inside of the task.
**
** The buffers of luaL_Buffer do not try again: Lua's auxiliary library takes them from the allocator by itself. They
** may exceed the limit, by no more than the limit, until the next object is made (the string that they become), which
** is counted exactly.
*/
#ifndef TINE_WORKER_MEMORY_H
#define TINE_WORKER_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include "msg/report.h"

/* From now on at most so many bytes more. May run finalizers. */
void tine__memory_limit(lua_State *L, uint64_t limit);
/* The task has ended; harmless without a limit. */
void tine__memory_free(lua_State *L);
/* While this is true the limit is not looked at. */
void tine__memory_pause(bool pause);
/* Is the error `status`, whose value is on top, that of the limit? Then *out is what there is to say. */
bool tine__memory_was_short(lua_State *L, int status, struct report_memory *out);

#endif
