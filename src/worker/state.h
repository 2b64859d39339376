/* State: the lua_State that fork servers and workers inherit from the root. */
#ifndef TINE_WORKER_STATE_H
#define TINE_WORKER_STATE_H

#include <lua.h>
#include <stdbool.h>
#include "base/alloc.h"
#include "worker/boot.h"

/* A state with Lua's libraries and what tine__root_dress adds; *behind must stay as long. `lasting`: as long as its
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
