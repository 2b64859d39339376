/* Alloc: the memory of Lua states that are ours (workers, the tine program).
**
** A string of megabytes is memory that was never touched before: with pages of 4 KiB most of the time that
** decoding it takes goes into page faults. Large blocks therefore are mappings of their own that ask for
** huge pages; all others come from malloc.
*/
#ifndef TINE_BASE_ALLOC_H
#define TINE_BASE_ALLOC_H

#include <stddef.h>

/* A lua_Alloc. It may take over from one that is made of malloc (luaL_newstate's) while no block is
** large yet. */
void *tine__alloc(void *ud, void *block, size_t old_size, size_t size);

#endif
