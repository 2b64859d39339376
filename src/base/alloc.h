/* Alloc: huge pages for the large blocks of a Lua state.
**
** A string of megabytes is memory that was never touched before: with pages of 4 KiB most of the time that
** decoding it takes goes into page faults. This puts itself before a state's allocator and asks the system
** for huge pages wherever that gave a large block; the memory is that allocator's own, and goes back to it
** as ever.
*/
#ifndef TINE_BASE_ALLOC_H
#define TINE_BASE_ALLOC_H

#include <stddef.h>

/* The state's allocator: what lua_getallocf gives. */
struct alloc {
    void *(*f)(void *ud, void *block, size_t old_size, size_t size);
    void *ud;
};

#define ALLOC_LARGE ((size_t)4 << 20)

/* A lua_Alloc, whose `ud` is the struct alloc behind it. */
void *tine__alloc(void *alloc, void *block, size_t old_size, size_t size);

#endif
