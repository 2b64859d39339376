/* Large payloads: blocks in a shared file that one side writes and the other reads.
**
** The writer allocates, fills and names a block by its offset; the reader maps what it needs and
** reads in place. Both directions use it: calls (writer: submitter, readers: workers, read-only) and
** results (writer: one worker, reader: submitter).
**
** The file grows in extents, each mapped once and never moved, so pointers into blocks stay good for
** the life of the heap. Blocks are of size classes (four to a doubling), freed ones are kept for
** reuse in a list for each class, because pages that are there already are several times faster than
** fresh ones. No block is ever split or joined: alloc and free are O(1).
**
** Pages of large free blocks go back to the system: at once beyond a budget (HEAP_KEEP bytes free), else
** when nobody has wanted the block for HEAP_REST (tine__heap_tidy), so that blocks in steady use are
** never emptied between two uses.
**
** A result block is released by its reader: it pushes the block on the `released` list in the link
** (ipc/link.h), which the writer empties at its next allocation or tidying. The writer may be asleep
** for long by then, so the reader itself empties a block that it has held for more than HEAP_REST; what
** comes back sooner the writer is still awake for.
**
** What the reader gets from a worker is foreign: offset and length are checked against the extents and
** the file's real size before they are touched.
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

/* The directory, in a page that the writer writes and the reader reads. offset/size of each extent
** in the file; `count` is stored with release after them. */
struct heap_directory {
    _Atomic uint32_t count;
    _Atomic uint32_t forgotten; /* calls: changes when something that readers may keep is gone */
    /* results: offset of the block released last (its first word names the next), 0: none */
    _Atomic uint64_t released;
    struct {
        uint64_t offset, size;
    } extent[HEAP_EXTENTS];
};

struct heap; /* one side's view, in private memory */

/* The writer's side: blocks in the file `fd` from byte `start` on (a multiple of the page size); `fd`
** is borrowed and must live as long. 0, TINE_ENOMEM. */
int tine__heap_create(struct heap **out, struct heap_directory *dir, int fd, size_t start);
/* The reader's side. `writable`: it may release blocks. */
int tine__heap_attach(struct heap **out, struct heap_directory *dir, int fd, bool writable);
/* Unmap all extents; NULL is fine. */
void tine__heap_destroy(struct heap *h);
/* Its descriptor is going to be closed, and the number may then be any file's: from now on it neither
** grows nor maps more (errno ESHUTDOWN); what is mapped stays good. */
void tine__heap_retire(struct heap *h);

/* Writer: a block of at least `size` bytes; *offset names it. NULL: out of memory, or retired (errno). */
void *tine__heap_alloc(struct heap *h, size_t size, uint64_t *offset);
/* Writer: a larger block with the first `used` bytes kept; the old one is freed. NULL: out of memory,
** the old one is still good. */
void *tine__heap_grow(struct heap *h, uint64_t *offset, size_t used, size_t size);
/* Writer: bytes that fit into the block. */
size_t tine__heap_capacity(struct heap *h, uint64_t offset);
/* Writer: free a block of its own. */
void tine__heap_free(struct heap *h, uint64_t offset);
/* Writer: something that readers may keep what they made of is gone from now on. */
void tine__heap_forget(struct heap *h);
/* Reader: changes when that has happened. One load. */
uint32_t tine__heap_forgotten(const struct heap *h);
/* Writer: the block goes over to the reader now. */
void tine__heap_give(struct heap *h, uint64_t offset);
/* Writer: take in what was released, and give back the pages of large blocks that are free for
** HEAP_REST. When to look again (ns, tine__now), 0: not before something is freed or given. */
uint64_t tine__heap_tidy(struct heap *h, uint64_t now);
/* Writer: is there something to tidy? No more than two loads. */
bool tine__heap_untidy(const struct heap *h);

/* Reader: the bytes [offset, offset+length), mapped on demand. NULL: no such block (TINE_EINVALID in
** *err), it cannot be mapped (TINE_ESYSTEM), or only what is mapped is left (TINE_ESHUTDOWN). */
const void *tine__heap_at(struct heap *h, uint64_t offset, uint64_t length, int *err);
/* Reader of results: done with the block. Any thread, under the submitter's lock. */
void tine__heap_release(struct heap *h, uint64_t offset);

#endif
