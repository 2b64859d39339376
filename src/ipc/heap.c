#include "ipc/heap.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "base/stream.h"
#include "base/sys.h"

#define PAGE ((size_t)4096)
#define FIRST_EXTENT ((size_t)4 << 20)
#define CLASSES 160
#define LARGEST ((size_t)1 << 46)
#define PAGED_CLASS ((size_t)16 << 10) /* from here on blocks are whole pages */
#define GIVE_BACK ((size_t)64 << 10)   /* smaller blocks are not worth a system call */

/* The header of a block, in the file. It has a cache line of its own, so that
** payloads start on one. */
struct block {
    _Alignas(64) uint32_t class;
    uint32_t magic;
    struct block *next; /* in the free list */
    uint64_t offset;    /* of the payload */
    uint64_t since;     /* large blocks: when it was freed, or given to the reader; ns */
};
#define MAGIC 0x74696e65u
_Static_assert(sizeof(struct block) == 64, "a header is one cache line");

struct extent {
    char *base;
    uint64_t offset, size;
};

/* Free blocks of each class: WARM ones still have their pages, COLD ones gave them back. */
enum { WARM, COLD, TEMPERATURES };

struct free_lists {
    uint64_t filled[(CLASSES + 63) / 64]; /* bit c: list[c] is not empty */
    struct block *list[CLASSES];
};

struct heap {
    struct heap_directory *dir;
    int fd;        /* borrowed; -1: retired */
    bool writable; /* how extents are mapped; always true for the writer */
    unsigned count;
    struct extent extent[HEAP_EXTENTS];
    unsigned last; /* extent of the last look-up */
    /* the writer's: */
    uint64_t end;   /* of the last extent */
    uint64_t file;  /* size of the file; more than `end` after an extent that could not be mapped */
    size_t bump;    /* offset in the last extent: what lies behind it was never used */
    size_t warm;    /* bytes in free blocks that have their pages */
    size_t resting; /* of these, bytes in large blocks */
    /* when a large block was last given to the reader; 0: all are back or too old */
    uint64_t given;
    struct free_lists free[TEMPERATURES];
};

/* --- size classes: 256, 320, 384, 448, 512, 640 ... four to a doubling, header included --- */

#define SMALLEST_LOG 8

static unsigned class_of(size_t size) {
    size_t t = size + sizeof(struct block) - 1;
    if (t < (size_t)1 << SMALLEST_LOG)
        return 0;
    unsigned e = 63 - (unsigned)__builtin_clzll(t);
    return (e - SMALLEST_LOG) * 4 + (unsigned)(t >> (e - 2) & 3) + 1;
}

static size_t class_size(unsigned class) {
    if (class == 0)
        return (size_t)1 << SMALLEST_LOG;
    unsigned e = (class - 1) / 4 + SMALLEST_LOG;
    return ((size_t)1 << e) + ((size_t)((class - 1) % 4 + 1) << (e - 2));
}

static size_t round_up(size_t n, size_t to) {
    return (n + to - 1) & ~(to - 1);
}

/* Is giving back the pages of such a block worth the system call? */
static bool is_large(unsigned class) {
    return class_size(class) >= GIVE_BACK;
}

/* --- free lists --- */

/* Count the bytes of a block that becomes warm, or ceases to be. */
static void count_warm(struct heap *h, unsigned class, bool more) {
    size_t size = class_size(class), large = is_large(class) ? size : 0;
    h->warm = more ? h->warm + size : h->warm - size;
    h->resting = more ? h->resting + large : h->resting - large;
}

static void push(struct heap *h, int temperature, struct block *b) {
    struct free_lists *f = &h->free[temperature];
    b->next = f->list[b->class];
    f->list[b->class] = b;
    f->filled[b->class / 64] |= (uint64_t)1 << b->class % 64;
    if (temperature == WARM)
        count_warm(h, b->class, true);
}

/* The first class in [class, last] that has a free block; CLASSES: none has. */
static unsigned filled_class(const struct free_lists *f, unsigned class, unsigned last) {
    while (class <= last && class < CLASSES) {
        uint64_t bits = f->filled[class / 64] >> class % 64;
        if (bits) {
            class += (unsigned)__builtin_ctzll(bits);
            return class <= last ? class : CLASSES;
        }
        class = (class / 64 + 1) * 64;
    }
    return CLASSES;
}

static struct block *pop(struct heap *h, int temperature, unsigned class, unsigned last) {
    struct free_lists *f = &h->free[temperature];
    if ((class = filled_class(f, class, last)) == CLASSES)
        return NULL;
    struct block *b = f->list[class];
    assert(b->magic == MAGIC && b->class == class);
    if ((f->list[class] = b->next) == NULL)
        f->filled[class / 64] &= ~((uint64_t)1 << class % 64);
    if (temperature == WARM)
        count_warm(h, class, false);
    return b;
}

/* --- extents --- */

static bool map_extent(struct heap *h, uint64_t offset, uint64_t size) {
    void *base = tine__map(h->fd, offset, size, h->writable);
    if (!base)
        return false;
    h->extent[h->count++] = (struct extent){base, offset, size};
    return true;
}

static bool add_extent(struct heap *h, size_t size) {
    if (h->count == HEAP_EXTENTS || h->fd == -1) {
        errno = h->fd == -1 ? ESHUTDOWN : ENOMEM;
        return false;
    }
    if (h->end + size > h->file) { /* only ever longer: the file is sealed against shrinking */
        if (tine__fd_resize(h->fd, h->end + size) == -1)
            return false;
        h->file = h->end + size;
    }
    if (!map_extent(h, h->end, size))
        return false;
    unsigned n = h->count - 1;
    h->dir->extent[n].offset = h->end;
    h->dir->extent[n].size = size;
    atomic_store_explicit(&h->dir->count, h->count, memory_order_release);
    h->end += size;
    h->bump = 0;
    return true;
}

/* Add an extent with room for a block of `size`. It is as large as all extents before it
** together, so the directory is long enough for any amount; memory is only used where something
** was written. */
static bool make_room(struct heap *h, size_t size) {
    uint64_t start = h->count ? h->extent[0].offset : h->end;
    size_t need = round_up(size, PAGE), want = h->end - start;
    if (want < FIRST_EXTENT)
        want = FIRST_EXTENT;
    return (want > need && add_extent(h, want)) || add_extent(h, need);
}

/* The mapped extent that holds [offset, offset+length); NULL: none. */
static struct extent *extent_of(struct heap *h, uint64_t offset, uint64_t length) {
    for (unsigned i = 0; i < h->count; i++) {
        unsigned n = h->last + i < h->count ? h->last + i : h->last + i - h->count;
        struct extent *e = &h->extent[n];
        if (offset < e->offset || offset - e->offset > e->size)
            continue;
        if (length > e->size - (offset - e->offset))
            continue;
        h->last = n;
        return e;
    }
    return NULL;
}

/* --- creating and destroying --- */

static int new_heap(struct heap **out, struct heap_directory *dir, int fd, bool writable) {
    *out = NULL;
    struct heap *h = sys.calloc(1, sizeof *h);
    if (!h)
        return TINE_ENOMEM;
    h->dir = dir;
    h->fd = fd;
    h->writable = writable;
    *out = h;
    return 0;
}

int tine__heap_create(struct heap **out, struct heap_directory *dir, int fd, size_t start) {
    int err = new_heap(out, dir, fd, true);
    assert(start > 0 && start % PAGE == 0); /* offset 0 names no block */
    if (!err)
        (*out)->end = (*out)->file = start;
    return err;
}

int tine__heap_attach(struct heap **out, struct heap_directory *dir, int fd, bool writable) {
    return new_heap(out, dir, fd, writable);
}

void tine__heap_destroy(struct heap *h) {
    if (!h)
        return;
    for (unsigned i = 0; i < h->count; i++)
        tine__unmap(h->extent[i].base, h->extent[i].size);
    free(h);
}

void tine__heap_retire(struct heap *h) {
    h->fd = -1;
}

/* --- the writer's side --- */

static struct block *block_at(struct heap *h, uint64_t offset) {
    struct extent *e = extent_of(h, offset - sizeof(struct block), sizeof(struct block));
    if (!e)
        return NULL;
    struct block *b = (struct block *)(e->base + (offset - e->offset)) - 1;
    return b->magic == MAGIC && b->offset == offset && b->class < CLASSES ? b : NULL;
}

void tine__heap_forget(struct heap *h) {
    atomic_fetch_add_explicit(&h->dir->forgotten, 1, memory_order_release);
}

uint32_t tine__heap_forgotten(const struct heap *h) {
    return atomic_load_explicit(&h->dir->forgotten, memory_order_acquire);
}

/* Free the blocks that readers have released. The whole list is taken at once, so no block can come
** back between the look and the exchange (no ABA). */
static void collect_released(struct heap *h) {
    if (!atomic_load_explicit(&h->dir->released, memory_order_relaxed))
        return;
    /* acquire: the links in the blocks */
    uint64_t next, offset = atomic_exchange_explicit(&h->dir->released, 0, memory_order_acquire);
    for (; offset; offset = next) {
        struct block *b = block_at(h, offset);
        assert(b);
        if (!b) /* cannot be; but losing memory is better than writing where no block is */
            return;
        next = *(uint64_t *)(b + 1);
        tine__heap_free(h, offset);
    }
}

/* Make a block of memory that was never used. */
static struct block *carve(struct heap *h, unsigned class) {
    size_t size = class_size(class);
    size_t align = size >= PAGED_CLASS ? PAGE : sizeof(struct block);
    struct extent *e = h->count ? &h->extent[h->count - 1] : NULL;
    if (!e || round_up(h->bump, align) > e->size || size > e->size - round_up(h->bump, align)) {
        if (!make_room(h, size))
            return NULL;
        e = &h->extent[h->count - 1];
    }
    size_t at = round_up(h->bump, align);
    struct block *b = (struct block *)(e->base + at);
    h->bump = at + size;
    b->magic = MAGIC;
    b->offset = e->offset + at + sizeof *b;
    b->class = class;
    return b;
}

/* Get a block of `class`, or a free one up to class `last` whose pages exist. Fresh pages cost ten
** times as much as copying their bytes; asking for them in one go (MADV_POPULATE_WRITE, fallocate)
** saves a tenth of that, which is not worth pages that may never be used. */
static struct block *obtain(struct heap *h, unsigned class, unsigned last) {
    struct block *b = pop(h, WARM, class, last);
    if (!b)
        b = pop(h, COLD, class, class);
    return b ? b : carve(h, class);
}

static bool too_large(size_t size) {
    if (size <= LARGEST)
        return false;
    errno = ENOMEM;
    return true;
}

void *tine__heap_alloc(struct heap *h, size_t size, uint64_t *offset) {
    if (too_large(size))
        return NULL;
    collect_released(h);
    unsigned class = class_of(size);
    struct block *b = obtain(h, class, class + 4); /* at most twice as large */
    if (!b)
        return NULL;
    *offset = b->offset;
    KILL_POINT("allocated");
    return b + 1;
}

/* Extend the block in place, if it was carved last and its extent has room. */
static bool extend(struct heap *h, struct block *b, unsigned class) {
    struct extent *e = &h->extent[h->count - 1];
    size_t size = class_size(b->class), at = b->offset - sizeof *b - e->offset;
    if (b->offset < e->offset || at + size != h->bump || class_size(class) > e->size - at)
        return false;
    b->class = class;
    h->bump = at + class_size(class);
    return true;
}

void *tine__heap_grow(struct heap *h, uint64_t *offset, size_t used, size_t size) {
    struct block *b = block_at(h, *offset);
    assert(b && used <= class_size(b->class) - sizeof *b);
    if (too_large(size))
        return NULL;
    unsigned class = class_of(size);
    if (class <= b->class)
        return b + 1;
    collect_released(h);
    /* Nobody knows yet how large the block will become, so any warm block is welcome, however
    ** large: it saves further copies and pages. */
    struct block *larger = pop(h, WARM, class, CLASSES - 1);
    if (!larger && extend(h, b, class))
        return b + 1;
    if (!larger && (larger = obtain(h, class, class)) == NULL)
        return NULL;
    stream_copy(larger + 1, b + 1, used);
    tine__heap_free(h, *offset);
    *offset = larger->offset;
    return larger + 1;
}

size_t tine__heap_capacity(struct heap *h, uint64_t offset) {
    struct block *b = block_at(h, offset);
    assert(b);
    return class_size(b->class) - sizeof *b;
}

/* Give the whole pages of a free block of `size` bytes back to the system, except
** the page of its header. */
static bool give_back(struct block *b, size_t size) {
    uintptr_t start = round_up((uintptr_t)(b + 1), PAGE);
    uintptr_t end = ((uintptr_t)b + size) & ~(uintptr_t)(PAGE - 1);
    return sys.madvise((void *)start, end - start, MADV_REMOVE) == 0;
}

void tine__heap_free(struct heap *h, uint64_t offset) {
    int err = errno;
    struct block *b = block_at(h, offset);
    assert(b);
    bool cold = false;
    if (is_large(b->class)) {
        size_t size = class_size(b->class);
        cold = h->warm + size > HEAP_KEEP && give_back(b, size);
        b->since = tine__now();
    }
    push(h, cold ? COLD : WARM, b);
    errno = err;
}

void tine__heap_give(struct heap *h, uint64_t offset) {
    struct block *b = block_at(h, offset);
    assert(b);
    if (is_large(b->class))
        h->given = b->since = tine__now();
}

/* Make the blocks of a class cold that were freed before `then`. The list has the newest first. */
static void cool(struct heap *h, unsigned class, uint64_t then) {
    struct block **at = &h->free[WARM].list[class], *b, *next;
    while (*at && (*at)->since > then)
        at = &(*at)->next;
    for (b = *at, *at = NULL; b; b = next) {
        next = b->next;
        count_warm(h, class, false);
        push(h, give_back(b, class_size(class)) ? COLD : WARM, b);
    }
    if (!h->free[WARM].list[class])
        h->free[WARM].filled[class / 64] &= ~((uint64_t)1 << class % 64);
}

uint64_t tine__heap_tidy(struct heap *h, uint64_t now) {
    uint64_t then = now > HEAP_REST ? now - HEAP_REST : 0;
    collect_released(h);
    for (unsigned class = 0; (class = filled_class(&h->free[WARM], class, CLASSES - 1)) != CLASSES;
         class ++)
        if (is_large(class))
            cool(h, class, then);
    if (h->given <= then)
        h->given = 0; /* the reader empties the blocks that it still holds */
    return tine__heap_untidy(h) ? now + HEAP_REST : 0;
}

bool tine__heap_untidy(const struct heap *h) {
    return h->resting > 0 || h->given > 0;
}

/* --- the reader's side --- */

/* Map the extents that were added. The directory is believed only as far as the file reaches: the
** file can grow, but is sealed against shrinking, so what fits now fits for ever. */
static int map_new_extents(struct heap *h) {
    uint32_t count = atomic_load_explicit(&h->dir->count, memory_order_acquire);
    struct stat st;
    if (count <= h->count || count > HEAP_EXTENTS)
        return TINE_EINVALID;
    if (h->fd == -1)
        return TINE_ESHUTDOWN;
    if (sys.fstat(h->fd, &st) == -1)
        return TINE_ESYSTEM;
    while (h->count < count) {
        /* volatile, so that they are read once: a hostile writer may change
        ** them between check and use */
        uint64_t offset = *(volatile uint64_t *)&h->dir->extent[h->count].offset;
        uint64_t size = *(volatile uint64_t *)&h->dir->extent[h->count].size;
        uint64_t file = (uint64_t)st.st_size;
        if (!offset || !size || (offset | size) % PAGE || offset > file || size > file - offset)
            return TINE_EINVALID;
        if (!map_extent(h, offset, size))
            return TINE_ESYSTEM;
    }
    return 0;
}

const void *tine__heap_at(struct heap *h, uint64_t offset, uint64_t length, int *err) {
    struct extent *e = extent_of(h, offset, length);
    *err = e ? 0 : map_new_extents(h);
    if (!e && !*err && (e = extent_of(h, offset, length)) == NULL)
        *err = TINE_EINVALID;
    return e ? e->base + (offset - e->offset) : NULL;
}

/* Give back the pages of the block at `offset` if the reader has held it for long: its
** writer may sleep for longer still. What the header says may be anything; a lying writer
** loses pages of its own. */
static void empty_old(struct extent *e, uint64_t offset) {
    if (offset - e->offset < sizeof(struct block))
        return;
    struct block *b = (struct block *)(e->base + (offset - e->offset)) - 1;
    unsigned class = *(volatile uint32_t *)&b->class;
    uint64_t since = *(volatile uint64_t *)&b->since;
    if (class >= CLASSES || !is_large(class) || tine__now() - since <= HEAP_REST)
        return;
    size_t size = class_size(class);
    if (size <= e->size - (offset - sizeof *b - e->offset))
        give_back(b, size);
}

void tine__heap_release(struct heap *h, uint64_t offset) {
    struct extent *e = extent_of(h, offset, sizeof(uint64_t));
    uint64_t old = atomic_load_explicit(&h->dir->released, memory_order_relaxed);
    assert(h->writable);
    if (!e || offset % sizeof(struct block)) /* not an offset that tine__heap_at has accepted */
        return;
    int err = errno;
    empty_old(e, offset);
    errno = err;
    uint64_t *link = (uint64_t *)(e->base + (offset - e->offset));
    /* release: the link, and before it our reading of the block. A sane writer changes the word
    ** once, to 0; a writer that keeps changing it must not hold us here. */
    for (int tries = 0; tries < 100; tries++) {
        *link = old;
        if (atomic_compare_exchange_weak_explicit(&h->dir->released, &old, offset,
                                                  memory_order_release, memory_order_relaxed))
            return;
    }
}
