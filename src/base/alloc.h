/* Alloc: huge pages for the large blocks of a Lua state.
**
** A string of megabytes is memory that was never touched before: with pages of 4 KiB, most of the
** time for decoding it is spent in page faults. This allocator is put in front of a state's own and
** asks the system for huge pages whenever that returned a large block. The memory stays the other
** allocator's, which also frees it.
*/
#ifndef TINE_BASE_ALLOC_H
#define TINE_BASE_ALLOC_H

#include <stddef.h>

/* The allocator behind: what lua_getallocf gives. */
struct alloc {
    void *(*f)(void *ud, void *block, size_t old_size, size_t size);
    void *ud;
};

#define ALLOC_LARGE ((size_t)4 << 20)

/* A lua_Alloc whose `ud` is the struct alloc behind it. */
void *tine__alloc(void *alloc, void *block, size_t old_size, size_t size);

#endif
