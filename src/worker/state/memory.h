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
#ifndef TINE_WORKER_STATE_MEMORY_H
#define TINE_WORKER_STATE_MEMORY_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/alloc.h"
#include "base/slab.h"
#include "msg/report.h"

#define MEMORY_BOXES 8 /* buffers of luaL_Buffer that are open at the same time, and known */

/* Lives while its task runs, and does not move. */
struct memory_limit {
    struct alloc behind;
    int64_t used, most;
    int64_t had;     /* when it was refused last */
    unsigned paused; /* so many times */
    bool refused;
    bool owner; /* the last block was one for a small userdata */
    void *box[MEMORY_BOXES];
    unsigned next;
};

/* The slab that a state's memory is (worker/state/state.h); NULL: it is none, or a task with a limit runs. */
struct slab *tine__memory_slab(lua_State *L);
/* From now on at most so many bytes more. May run finalizers. */
void tine__memory_limit(struct memory_limit *l, lua_State *L, uint64_t most);
/* The task has ended. */
void tine__memory_free(const struct memory_limit *l, lua_State *L);
/* Until it is called with false as often as with true, the limit of the state, if it has one, is not looked at. */
void tine__memory_pause(lua_State *L, bool pause);
/* Is the error `status`, whose value is on top, that of the limit? Then *out is what there is to say. */
bool tine__memory_was_short(const struct memory_limit *l, lua_State *L, int status,
                            struct report_memory *out);

#endif
