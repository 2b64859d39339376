/* Memory: a limit on what a task adds to its worker's Lua state.
**
** It is exact: while a task with a limit runs an allocator counts, starting from what is live after
** its arguments were decoded (garbage is collected before). An allocation beyond the limit fails.
** Lua then collects the task's garbage and tries again; if that does not help it raises its own
** "not enough memory" inside the task.
**
** Buffers of luaL_Buffer do not try again, since Lua's auxiliary library takes them from the
** allocator directly. They may exceed the limit, by no more than the limit, until the next object
** is made (the string they become), which is counted exactly.
*/
#ifndef TINE_WORKER_STATE_MEMORY_H
#define TINE_WORKER_STATE_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/alloc.h"
#include "base/slab.h"
#include "msg/report.h"

#define MEMORY_BOXES 8 /* known buffers of luaL_Buffer that are open at the same time */

/* Must live while its task runs, and not move. */
struct memory_limit {
    struct alloc behind;
    int64_t used, most;
    int64_t had;     /* bytes in use when an allocation was refused last */
    unsigned paused; /* nesting of tine__memory_pause */
    bool refused;
    bool owner; /* the last block was a small userdata */
    void *box[MEMORY_BOXES];
    unsigned next;
};

/* The slab that the state's memory is in (worker/state/state.h); NULL: none, or a task
** with a limit is running. */
struct slab *tine__memory_slab(lua_State *L);
/* From now on allow `most` bytes more. May run finalizers. */
void tine__memory_limit(struct memory_limit *l, lua_State *L, uint64_t most);
/* End the limit. */
void tine__memory_free(const struct memory_limit *l, lua_State *L);
/* Ignore the limit of the state, if it has one, until called with false as often as with true. */
void tine__memory_pause(lua_State *L, bool pause);
/* Is the error `status`, with the value on top, due to the limit? Then *out describes it. */
bool tine__memory_was_short(const struct memory_limit *l, lua_State *L, int status,
                            struct report_memory *out);

#endif
