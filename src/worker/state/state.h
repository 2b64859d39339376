/* State: the lua_State of a worker, what is in it before any task (seed.h, threads.h, arg.h), and
** its memory (memory.h, lasting.h). Worker processes inherit it from the root, where it is made.
**
** Nothing here knows calls, tasks or channels. It is called by the worker's processes, and by the
** program for states of its own.
*/
#ifndef TINE_WORKER_STATE_STATE_H
#define TINE_WORKER_STATE_STATE_H

#include <lua.h>
#include <stdbool.h>
#include "base/alloc.h"
#include "worker/boot.h"

/* Registry field of a worker's state: the table that tasks see as tine.worker
** (task/worker_table.h); false before that exists. */
#define TINE_WORKER_FIELD "tine.worker"
/* Registry field of a program's state: true if it was told to show warnings (`tine -W`). */
#define TINE_WARNINGS_FIELD "tine.warnings"

/* Adds to a new state what worker states have beside Lua's libraries (package.preload entries). Set
** by a higher floor before the root is taken; called wherever a state is made. */
extern void (*_Atomic tine__state_dress)(lua_State *L);
/* Mends what a preload has left in the state that does not survive a fork. Set by
** tine__state_dress; called in each worker of a pool with a preload. Does not raise. */
extern void (*_Atomic tine__state_mend)(lua_State *L);

/* Make a state with Lua's libraries and what tine__state_dress adds; *behind must live as
** long. `lasting`: it lives as long as its process, so its memory is a slab
** (base/slab.h). NULL: out of memory. */
lua_State *tine__state_new(struct alloc *behind, bool lasting);
/* Use a slab for a fresh state that lives as long as its process (base/slab.h); or huge pages, as
** below, if that is not possible. */
void tine__state_slab(lua_State *L, struct alloc *behind);
/* Put huge pages (base/alloc.h) in front of the state's allocator, which is kept in *behind.
** *behind must live as long as the state, or until that allocator is restored. */
void tine__state_huge_pages(lua_State *L, struct alloc *behind);
/* Close the state and end the process. */
_Noreturn void tine__state_end(lua_State *L);
/* Make it the pool's: package.path, package.cpath, `arg`, locale, warnings. Raises memory
** errors. */
void tine__state_place(lua_State *L, const struct boot *boot);

#endif
