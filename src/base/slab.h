/* Slab: memory for the many small objects of a Lua state.
**
** Blocks of similar size lie together in chunks, without headers: the chunk knows their size, and
** the address of a block tells its chunk. So nothing is lost between small blocks, and allocating
** and freeing take a few instructions. All chunks lie in one range of addresses, of which only what
** was used once is memory. Blocks that are large, that existed before, or for which there is no
** room, come from the allocator behind and are recognized by their addresses.
**
** An empty chunk can be used for any other size. Empty chunks are kept up to the amount in use,
** plus some; the rest goes back to the system, and more of it by tine__slab_tidy, when the owner
** has time.
**
** A process that is about to fork others which will share its memory seals it: in the chunks that
** exist then, only blocks in use are still written to. The first blocks of each size come from the
** allocator behind, where all sizes lie together: a page for each size is much for a process that
** makes few objects. In a forked child that begins anew.
**
** For one thread. A forked child goes on with its copy.
*/
#ifndef TINE_BASE_SLAB_H
#define TINE_BASE_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include "base/alloc.h"

struct slab;

/* Make a slab in front of an allocator. NULL: there is no room for it, and that allocator must do
** alone. It is never closed: it lives as long as its process. */
struct slab *tine__slab_new(const struct alloc *behind);
/* A lua_Alloc whose `ud` is the slab. */
void *tine__slab_alloc(void *slab, void *block, size_t old_size, size_t size);

/* The limit of addresses (RLIMIT_AS) is another one now: give those back that are more than its
** part. What is in use stays. */
void tine__slab_fit(struct slab *s);
void tine__slab_seal(struct slab *s);
/* In a forked child, which may not need much memory: write to as few pages as possible. */
void tine__slab_forked(struct slab *s);

/* Is much memory in empty chunks? */
bool tine__slab_untidy(const struct slab *s);
/* Give some of it back: memory that was not used since the last call, or any (`all`, for
** when nobody waits). */
void tine__slab_tidy(struct slab *s, bool all);

#endif
