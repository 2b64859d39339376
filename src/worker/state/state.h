/* State: the lua_State of a worker, and what is in it before any task (this folder: seed.h, threads.h, arg.h), how its
** memory is kept (memory.h, lasting.h). Workers that are processes inherit it from the root, where it is made.
**
** Nothing here knows calls, tasks or channels. The processes call it, and the program for states of its own.
*/
#ifndef TINE_WORKER_STATE_STATE_H
#define TINE_WORKER_STATE_STATE_H

#include <lua.h>
#include <stdbool.h>
#include "base/alloc.h"
#include "worker/boot.h"

/* Registry field of a worker's state: the table that tasks see as tine.worker (task/worker_table.h); false before there is
** one. */
#define TINE_WORKER_FIELD "tine.worker"
/* Registry field of a program: true when it was told to show warnings (`tine -W`). */
#define TINE_WARNINGS_FIELD "tine.warnings"

/* Put what every worker state should have beside Lua's libraries into it (package.preload entries):
** set by the floor above before the root is taken; runs wherever a state is made. */
extern void (*_Atomic tine__state_dress)(lua_State *L);
/* Mend what a preload has left in the state that does not bear a fork: set by tine__state_dress; runs in each worker of a
** pool with a preload. Does not raise. */
extern void (*_Atomic tine__state_mend)(lua_State *L);

/* A state with Lua's libraries and what tine__state_dress adds; *behind must stay as long. `lasting`: as long as its
** process, so its memory is a slab (base/slab.h). NULL: out of memory. */
lua_State *tine__state_new(struct alloc *behind, bool lasting);
/* Let the memory of a fresh state that is as long as its process be a slab (base/slab.h), or do with huge pages as below. */
void tine__state_slab(lua_State *L, struct alloc *behind);
/* Put huge pages (base/alloc.h) before the state's allocator, which is left in *behind: that must stay as long
** as the state, or until what is in it is set again. */
void tine__state_huge_pages(lua_State *L, struct alloc *behind);
/* Close the state and end the process. */
_Noreturn void tine__state_end(lua_State *L);
/* Make it the pool's: package.path and package.cpath, `arg`, the locale, warnings. Raises memory errors. */
void tine__state_place(lua_State *L, const struct boot *boot);

#endif
