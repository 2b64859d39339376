/* Heap: blocks for large payloads in a shared file that one side writes and the other reads.
**
** The writer allocates a block, fills it, and names it by its offset; the reader maps what it needs
** and reads in place. There is one for each direction: calls (written by the submitter, read by
** workers, which map it read-only) and results (written by one worker, read by the submitter).
**
** The file grows in extents, each mapped once and never moved, so pointers into blocks stay good
** for the life of the heap. Blocks come in size classes (four to a doubling). Freed blocks are kept
** for reuse in a list for each class, because pages that exist are several times faster than fresh
** ones. No block is ever split or joined: alloc and free are O(1).
**
** Pages of large free blocks go back to the system: at once beyond a budget (HEAP_KEEP bytes free),
** else when the block has lain unused for HEAP_REST (tine__heap_tidy). So blocks in steady use are
** never emptied between two uses.
**
** A result block is released by its reader, which pushes it on the `released` list in the link
** (ipc/link.h); the writer empties that list when it next allocates or tidies. The writer may be
** asleep for long by then, so the reader itself gives back the pages of a block that it has held
** for more than HEAP_REST. A block that comes back sooner is tidied by its writer, which is still
** awake for it.
**
** What the reader gets from a worker is foreign input: offset and length are checked against the
** extents and the file's real size before they are used.
**
** A heap has no lock of its own. In the submitter the call heap is used under the store's lock
** (store/store.h), and the heaps of results under the pool's; a worker has one thread.
*/
#ifndef TINE_IPC_HEAP_H
#define TINE_IPC_HEAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_EXTENTS 48
#define HEAP_KEEP ((size_t)256 << 20)
#define HEAP_REST ((uint64_t)250000000) /* ns */

/* The directory, in a page that the writer writes and the reader reads: offset and size of each
** extent in the file. `count` is stored after them, with release. */
struct heap_directory {
    _Atomic uint32_t count;
    /* calls: changes when readers must drop what they may have kept of a block */
    _Atomic uint32_t forgotten;
    /* results: offset of the block released last (its first word names the one before), 0: none */
    _Atomic uint64_t released;
    struct {
        uint64_t offset, size;
    } extent[HEAP_EXTENTS];
};

struct heap; /* one side's view, in private memory */

/* Make the writer's side: blocks in the file `fd` from byte `start` on (a multiple of the page
** size). `fd` is borrowed and must live as long as the heap. 0 or TINE_ENOMEM. */
int tine__heap_create(struct heap **out, struct heap_directory *dir, int fd, size_t start);
/* Make the reader's side. `writable`: it may release blocks. */
int tine__heap_attach(struct heap **out, struct heap_directory *dir, int fd, bool writable);
/* Unmap all extents and free the heap; NULL is fine. */
void tine__heap_destroy(struct heap *h);
/* The descriptor is going to be closed, and its number may then be that of any file: from now on
** the heap neither grows nor maps more (errno ESHUTDOWN). What is mapped stays good. */
void tine__heap_retire(struct heap *h);

/* Writer: allocate a block of at least `size` bytes; *offset names it. NULL: out of memory, or
** retired (errno). */
void *tine__heap_alloc(struct heap *h, size_t size, uint64_t *offset);
/* Writer: exchange the block for a larger one, with the first `used` bytes copied; the old one is
** freed. NULL: out of memory, the old one is still good. */
void *tine__heap_grow(struct heap *h, uint64_t *offset, size_t used, size_t size);
/* Writer: the number of bytes that fit into the block. */
size_t tine__heap_capacity(struct heap *h, uint64_t offset);
/* Writer: free one of its own blocks. */
void tine__heap_free(struct heap *h, uint64_t offset);
/* Writer: the content of some block has ended; readers must drop what they have made of it. */
void tine__heap_forget(struct heap *h);
/* Reader: changes with each tine__heap_forget. One load. */
uint32_t tine__heap_forgotten(const struct heap *h);
/* Writer: note that the block now goes over to the reader. */
void tine__heap_give(struct heap *h, uint64_t offset);
/* Writer: take in the released blocks, and give back the pages of large blocks that have
** been free for HEAP_REST. Returns when to call again (ns, tine__now); 0: not before another
** block is freed or given. */
uint64_t tine__heap_tidy(struct heap *h, uint64_t now);
/* Writer: is there something to tidy? At most two loads. */
bool tine__heap_untidy(const struct heap *h);

/* Reader: the bytes [offset, offset+length), mapped on demand. NULL: no such block (*err
** TINE_EINVALID), it cannot be mapped (TINE_ESYSTEM), or the heap is retired and it was not mapped
** before (TINE_ESHUTDOWN). */
const void *tine__heap_at(struct heap *h, uint64_t offset, uint64_t length, int *err);
/* Reader of results: release the block. Any thread, under the pool's lock. */
void tine__heap_release(struct heap *h, uint64_t offset);

#endif
