/* Store: what is sent once and named afterwards, and the memory in which calls travel.
**
** A *blob* is a function: its origin, and its code unless it goes by name. It is immutable, lies in the
** call heap (ipc/heap.h), and is found by its whole content, so the same function is there once,
** whoever puts it. Each blob has an id that messages name it by. An id says where the blob lies
** and how many were made before, so a reader needs no directory, and an id is never another blob's.
**
** Blobs are counted. Who has put one holds it (a codec, as long as it remembers the function), and
** so does each call that names it, from the encoding until its last task is settled (struct
** store_refs): so a call that waits, runs, or is sent again always finds its code, however many others
** have come since. With the last of them the blob is gone. There is no cache in here: how long a
** function that nobody uses is kept is the codec's affair.
**
** A *shared value* (pool:share) is a blob as well, with a result segment in place of code. It is never the same
** as another one, and holds what its segment names. Workers keep what they make of it until it is gone.
**
** The submitter's side has a lock of its own, which is always the last one taken: nothing is called
** and nothing waited for while it is held. All memory of the call heap is had through it. Any
** thread may call these functions, with or without the pool's lock.
**
** A worker reads a blob only while it runs a call that names it. What it makes of one (a function in its Lua
** state) it may keep, by the id.
*/
#ifndef TINE_STORE_STORE_H
#define TINE_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include "msg/origin.h"
#include "ipc/arena.h"
#include "ipc/heap.h"

struct store;
struct store_refs;

#define STORE_CONTENT (UINT64_C(1) << 62)

/* --- the submitter's side --- */

/* On top of a heap (writer's side), which is borrowed and from now on the store's alone. `by_content`: ids are to mean
** the same in every process (they are hashes, STORE_CONTENT is set in them), and say no place. 0, TINE_ENOMEM. */
int tine__store_open(struct store **out, struct heap *heap, bool by_content);
/* The heap's descriptor is going to be closed: no more memory is to be had (TINE_ESHUTDOWN), what is there
** stays. */
void tine__store_retire(struct store *s);
/* Forget everything, whoever holds it; NULL is fine. The heap stays. */
void tine__store_close(struct store *s);

/* A block for a call of at least `size` bytes, *block its offset in the heap; with *block not 0 it takes the
** place of that one, of which the first `used` bytes are kept. 0, TINE_ENOMEM or TINE_ESHUTDOWN with all
** as it was. */
int tine__store_grow(struct store *s, uint64_t *block, size_t used, size_t size, char **data,
                     size_t *capacity);
/* True: there may be something to give back, after HEAP_REST (tine__store_tidy). */
bool tine__store_free(struct store *s, uint64_t block);
/* Give back the pages of large blocks that nobody wants any more (ipc/heap.h). When to call it again, ns; 0:
** there is nothing to give back. */
uint64_t tine__store_tidy(struct store *s, uint64_t now);

/* The function with this code (bytes NULL: none) and origin, and a reference to it; both are copied. NULL: out
** of memory. */
const struct codec_stored *tine__store_put(struct store *s, const struct codec_code *code,
                                           const struct codec_origin *origin);
/* A value to be shared is encoded behind so many bytes of the buffer. */
#define STORE_VALUE_HEAD 64u
/* The value in these `len` bytes, which begin with that head, and a reference to it. They are copied, unless they lie in
** the block `*block`, which is taken over (0 then). Takes over `refs`, what the segment names. NULL: no memory, or retired,
** and all is as it was. */
const struct codec_stored *tine__store_value(struct store *s, uint64_t *block, char *bytes,
                                             size_t len, struct store_refs *refs);
/* What a shared value names, at whatever depth, by its id; NULL: it does not. The caller holds the value. */
const struct codec_stored *tine__store_named(const struct codec_stored *value, uint64_t id);
/* Is it a shared value? */
bool tine__store_is_value(const struct codec_stored *stored);
/* What it names itself, if it is one; good as long as it is. */
const struct store_refs *tine__store_names(const struct codec_stored *stored);
/* Give back a reference. */
void tine__store_drop(struct store *s, const struct codec_stored *stored);
/* How many blobs there are. */
size_t tine__store_count(struct store *s);

/* What a message names: the references that it holds. The first is of the function that it calls, if that
** is stored. All zero: none. */
#define STORE_REFS_NEAR 2
struct store_refs {
    uint32_t n, room; /* room: of `far` */
    const struct codec_stored *near[STORE_REFS_NEAR];
    const struct codec_stored **far;
    struct carried carried; /* regions (ipc/arena.h) */
};
static inline const struct codec_stored *store_ref_at(const struct store_refs *refs, uint32_t i) {
    return i < STORE_REFS_NEAR ? refs->near[i] : refs->far[i - STORE_REFS_NEAR];
}
/* Hold one more, which somebody holds already. 0, TINE_ENOMEM. */
int tine__store_hold(struct store_refs *refs, const struct codec_stored *stored);
/* What `from` names, but for regions, is named by `to` in its place, after what that names. 0; TINE_ENOMEM: nothing has
** changed. */
int tine__store_pass_on(struct store_refs *to, struct store_refs *from);
/* Drop them all. */
void tine__store_release(struct store *s, struct store_refs *refs);
/* The id of the function that the message calls; 0: none. */
static inline uint64_t store_callee(const struct store_refs *refs) {
    return refs->n ? refs->near[0]->id : 0;
}

/* --- a worker's side --- */

/* The blob of an id: its code (bytes NULL when it has none) and origin, each unless NULL. False: there is none,
** or not any more. */
bool tine__store_find(struct heap *h, uint64_t id, struct codec_code *code,
                      struct codec_origin *origin);
/* Changes when a shared value is gone. One load. */
uint32_t tine__store_gone(struct heap *h);

#endif
