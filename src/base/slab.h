/* Slab: memory for the many small objects of a Lua state.
**
** Blocks of about the same size lie together in chunks, without headers: what the size of a block is its chunk knows, and
** which chunk that is its address says. So nothing is lost between small blocks, and a block is taken and given by a
** few instructions. All chunks lie in one range of addresses, of which as much is memory as has been used once; blocks
** that are large, that were there before, or that find no room come from the allocator behind, and are recognized by
** their addresses.
**
** A chunk in which nothing is left can become one of any other size. No more such memory is kept than is in use, and
** some; the rest goes back to the system, and more of it by tine__slab_tidy, at a time that the owner finds good.
**
** A process that is about to fork others, which are to share what it has made, seals it: in the chunks of that time
** nothing is written any more but to blocks in use.
** The first blocks of each size come from the allocator behind, in one place for all sizes: a page for each is much for a
** process that makes few. In a forked child that begins anew.
**
** One thread. A forked child goes on with its copy.
*/
#ifndef TINE_BASE_SLAB_H
#define TINE_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include "base/alloc.h"

struct slab;

/* Before an allocator. NULL: there is no room for it, then that one must do alone. It is never closed: it is as long as
** its process. */
struct slab *tine__slab_new(const struct alloc *behind);
/* A lua_Alloc, whose `ud` is the slab. */
void *tine__slab_alloc(void *slab, void *block, size_t old_size, size_t size);

void tine__slab_seal(struct slab *s);
/* In a forked child, which may not need much: it writes to as few pages as it can. */
void tine__slab_forked(struct slab *s);

/* Is there much memory in which nothing is left? */
bool tine__slab_untidy(const struct slab *s);
/* Give some of it, which has not been used again since the last time or (`all`) for which nobody waits, back. */
void tine__slab_tidy(struct slab *s, bool all);

#endif
