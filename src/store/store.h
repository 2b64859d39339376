/* Store: what is sent once and named by an id afterwards; and the memory of calls.
**
** A *blob* is a function: its origin, and its code unless it goes by name. It is immutable, lies in
** the call heap (ipc/heap.h), and is found by its whole content, so the same function is stored
** once, whoever puts it. Messages name a blob by its id. An id consists of the place of the blob
** and the number of blobs made before, so a reader needs no directory, and an id never names
** another blob.
**
** Blobs are reference-counted. References are held by the codec that put the blob, for as long as
** it remembers the function, and by each call that names the blob, from its encoding until its last
** task is settled (struct store_refs). So a call that waits, runs, or is sent again always finds
** its code, however many functions have come since. The blob goes with its last reference. There is
** no cache in here: how long an unused function is kept is up to the codec.
**
** A *shared value* (pool:share) is a blob, too, with a result segment in place of code. It is never
** found by content, and holds references to what its segment names. Workers keep what they make of
** it until it is gone.
**
** The submitter's side has a lock of its own, always the last one taken: nothing is called and
** nothing waited for while it is held. All memory of the call heap is allocated through the store.
** Any thread may call these functions, with or without the pool's lock.
**
** A worker reads a blob only while it runs a call that names it. What it makes of the blob (a
** function in its Lua state) it may keep, by the id.
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

/* Make a store on top of a heap (writer's side), which is borrowed and from now on used by the
** store alone. `by_content`: ids have the same meaning in every process (they are hashes, with
** STORE_CONTENT set) and contain no place. 0 or TINE_ENOMEM. */
int tine__store_open(struct store **out, struct heap *heap, bool by_content);
/* The heap's descriptor is going to be closed: no more memory can be had
** (TINE_ESHUTDOWN); what is stored stays. */
void tine__store_retire(struct store *s);
/* Forget everything, even with references left; NULL is fine. The heap stays. */
void tine__store_close(struct store *s);

/* Get a block for a call, of at least `size` bytes; *block is its offset in the heap. If *block is
** not 0, the new block replaces that one and begins with its first `used` bytes. 0; TINE_ENOMEM,
** TINE_ESHUTDOWN: nothing has changed. */
int tine__store_grow(struct store *s, uint64_t *block, size_t used, size_t size, char **data,
                     size_t *capacity);
/* Free a block. True: there may be pages to give back after HEAP_REST (tine__store_tidy). */
bool tine__store_free(struct store *s, uint64_t block);
/* Give back the pages of large blocks that have been unused for long (ipc/heap.h). Returns when to
** call again (ns); 0: there is nothing to give back. */
uint64_t tine__store_tidy(struct store *s, uint64_t now);

/* Store the function with this code (bytes NULL: none) and origin, or find it; both are copied.
** Returns one reference; NULL: out of memory. */
const struct codec_stored *tine__store_put(struct store *s, const struct codec_code *code,
                                           const struct codec_origin *origin);
/* A value to be shared is encoded behind this many bytes, which are left for a head. */
#define STORE_VALUE_HEAD 64u
/* Store the value in these `len` bytes, which begin with that head. They are copied, unless they
** lie in the block `*block`, which is taken over (and set to 0). Takes over `refs`, what the
** segment names. Returns one reference; NULL: out of memory or retired, and nothing has changed. */
const struct codec_stored *tine__store_value(struct store *s, uint64_t *block, char *bytes,
                                             size_t len, struct store_refs *refs);
/* Find by its id what a shared value names, directly or through other values; NULL: nothing, or no
** memory. The caller holds the value. */
const struct codec_stored *tine__store_named(const struct codec_stored *value, uint64_t id);
/* Is it a shared value? */
bool tine__store_is_value(const struct codec_stored *stored);
/* What the shared value itself names; valid as long as the value. */
const struct store_refs *tine__store_names(const struct codec_stored *stored);
/* Drop a reference. */
void tine__store_drop(struct store *s, const struct codec_stored *stored);
/* The number of blobs. */
size_t tine__store_count(struct store *s);

/* The references held by a message: what it names. The first is the function that it calls, if that
** is stored. All zero: none. */
#define STORE_REFS_NEAR 2
struct store_refs {
    uint32_t n, room; /* room: length of `far` */
    const struct codec_stored *near[STORE_REFS_NEAR];
    const struct codec_stored **far;
    struct carried carried; /* regions (ipc/arena.h) */
};
static inline const struct codec_stored *store_ref_at(const struct store_refs *refs, uint32_t i) {
    return i < STORE_REFS_NEAR ? refs->near[i] : refs->far[i - STORE_REFS_NEAR];
}
/* Add a reference; the caller has one already. 0 or TINE_ENOMEM. */
int tine__store_hold(struct store_refs *refs, const struct codec_stored *stored);
/* Move the references of `from`, except regions, to the end of `to`. 0;
** TINE_ENOMEM: nothing has changed. */
int tine__store_pass_on(struct store_refs *to, struct store_refs *from);
/* Drop all references. */
void tine__store_release(struct store *s, struct store_refs *refs);
/* Everything that references lead to, directly or through shared values: each blob once. Valid as
** long as the references. */
struct store_reach {
    size_t n, room;
    const struct codec_stored **list;  /* n blobs, those that are named directly first */
    const struct codec_stored **table; /* by id; 2 * room places */
};
/* 0 or TINE_ENOMEM. `out` must be freed either way. */
int tine__store_reach(const struct store_refs *refs, struct store_reach *out);
/* Find one by its id; NULL: it is not there. */
const struct codec_stored *tine__store_reached(const struct store_reach *r, uint64_t id);
void tine__store_reach_free(struct store_reach *r);
/* The id of the function that the message calls; 0: none. */
static inline uint64_t store_callee(const struct store_refs *refs) {
    return refs->n ? refs->near[0]->id : 0;
}

/* --- a worker's side --- */

/* Find the blob of an id: its code (bytes NULL when it has none) and origin, each unless NULL.
** False: there is none, or not any more; or it cannot be mapped (errno, else 0). */
bool tine__store_find(struct heap *h, uint64_t id, struct codec_code *code,
                      struct codec_origin *origin);
/* Changes whenever a shared value ends. One load. */
uint32_t tine__store_gone(struct heap *h);

#endif
