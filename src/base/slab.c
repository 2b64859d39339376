#include "base/slab.h"

#include <stdint.h>
#include <string.h>
#include <sys/resource.h>

#include "base/list.h"
#include "base/sys.h"

#define CHUNK_BITS 14
#define CHUNK ((uint32_t)1 << CHUNK_BITS)
#define SPAN ((size_t)4 << 30)   /* bytes of address space, for all chunks */
#define STEP ((size_t)256 << 10) /* made accessible at a time */
#define KEPT 64u                 /* empty chunks that are always kept: 1 MiB */
/* empty chunks kept, beside as many as are in use, until somebody tidies: 8 MiB */
#define AT_HAND 512u
/* chunks given back in one call of tine__slab_tidy, since a task may be waiting */
#define MOST_AT_A_TIME 256u
#define FIRST 49152u /* bytes of each size from the allocator behind, before there is a chunk */
#define FIRST_FORKED 8192u /* the same in a forked child */

#define LARGEST 512u
#define CLASSES 20u
/* Include the sizes that Lua allocates most (tables 56, hash parts 24 x 2^n, arrays 16 x 2^n). A
** multiple of 16 is always rounded up to a multiple of 16, so such blocks are aligned like
** malloc's. */
static const uint16_t size_of[CLASSES] = {8,   16,  24,  32,  40,  48,  56,  64,  80,  96,
                                          112, 128, 160, 192, 224, 256, 320, 384, 448, 512};

struct block {
    struct block *next;
};

/* Where a chunk is. */
enum place {
    CURRENT, /* new blocks of its size come from it */
    WAITING, /* has free blocks */
    FULL,    /* has no free block */
    EMPTY,   /* nothing is in it */
    SEALED,  /* its free blocks are not used again */
};

struct chunk {
    struct block *free; /* blocks that were used before */
    struct list node;   /* in slab->waiting, spare or given */
    uint16_t fresh;     /* offset from which on no block was ever used */
    uint16_t used;      /* number of blocks in use */
    uint8_t class;
    uint8_t place;
};

struct slab {
    char *base;
    size_t span;
    struct chunk *chunks;
    struct chunk *current[CLASSES];
    struct list waiting[CLASSES];
    uint16_t first[CLASSES]; /* bytes that still come from the allocator behind */
    struct list spare;       /* empty chunks whose memory is kept */
    struct list given;       /* empty chunks whose memory was given back */
    uint32_t nused, nspare;
    uint32_t least; /* lowest `nspare` since the last tidying */
    size_t begun;   /* bytes of chunks that were ever used */
    size_t open;    /* bytes at `base` that are accessible */
    size_t known;   /* bytes at `chunks` that are accessible */
    uint8_t class_of[LARGEST / 8 + 1];
    struct chunk none; /* stands for a full chunk */
    struct alloc behind;
};

/* --- memory of the system --- */

/* If the address space is limited, take only a part of it, since the process needs
** some for other things. */
static size_t span(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY)
        return SPAN;
    size_t part = (size_t)limit.rlim_cur / 8 / STEP * STEP;
    return part < SPAN ? part : SPAN;
}

/* What describes the chunks of such a range, in whole pages. */
static size_t about(size_t span) {
    return ((span >> CHUNK_BITS) * sizeof(struct chunk) + 4095) & ~(size_t)4095;
}

static void *reserve(size_t size) {
    void *p = sys.mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* Of the range at `base`, *open bytes are accessible; make that `size`. */
static bool open_up(void *base, size_t *open, size_t size) {
    if (size <= *open)
        return true;
    if (sys.mprotect((char *)base + *open, size - *open, PROT_READ | PROT_WRITE) == -1)
        return false;
    *open = size;
    return true;
}

static void *memory_of(const struct slab *s, const struct chunk *c) {
    return s->base + ((size_t)(c - s->chunks) << CHUNK_BITS);
}

/* --- chunks --- */

static struct chunk *unused_chunk(struct slab *s) {
    size_t i = s->begun >> CHUNK_BITS, end = s->begun + CHUNK;
    size_t known = ((i + 1) * sizeof(struct chunk) + 4095) & ~(size_t)4095;
    if (end > s->span || !open_up(s->chunks, &s->known, known) ||
        !open_up(s->base, &s->open, (end + STEP - 1) / STEP * STEP))
        return NULL;
    s->begun = end;
    list_init(&s->chunks[i].node);
    return &s->chunks[i];
}

static struct chunk *empty_chunk(struct slab *s) {
    struct list *from = list_empty(&s->spare) ? &s->given : &s->spare;
    if (list_empty(from))
        return unused_chunk(s);
    if (from == &s->spare && --s->nspare < s->least)
        s->least = s->nspare;
    return LIST_ITEM(list_pop(from), struct chunk, node);
}

static struct chunk *new_chunk(struct slab *s, uint8_t class) {
    struct chunk *c = empty_chunk(s);
    if (c) {
        c->free = NULL;
        c->fresh = c->used = 0;
        c->class = class;
        s->nused++;
    }
    return c;
}

/* Give the memory of an empty chunk back. It reads as zeros when used again. */
static void give_back(struct slab *s, struct chunk *c) {
    /* if this fails the memory stays, and is used again all the same */
    sys.madvise(memory_of(s, c), CHUNK, MADV_DONTNEED);
    list_remove(&c->node);
    c->place = EMPTY;
    list_push(&s->given, &c->node);
}

static void give_back_oldest(struct slab *s) {
    give_back(s, LIST_ITEM(s->spare.prev, struct chunk, node));
    if (--s->nspare < s->least)
        s->least = s->nspare;
}

static void make_empty(struct slab *s, struct chunk *c) {
    list_remove(&c->node);
    c->place = EMPTY;
    list_push_front(&s->spare, &c->node);
    s->nspare++;
    s->nused--;
    while (s->nspare > AT_HAND + s->nused)
        give_back_oldest(s);
}

/* --- blocks --- */

/* A block that was never used; NULL: none. */
static void *fresh_block(struct slab *s, struct chunk *c) {
    uint32_t size = size_of[c->class];
    if (c->fresh + size > CHUNK)
        return NULL;
    void *p = (char *)memory_of(s, c) + c->fresh;
    c->fresh = (uint16_t)(c->fresh + size);
    c->used++;
    return p;
}

static void *reused_block(struct chunk *c) {
    struct block *b = c->free;
    c->free = b->next;
    c->used++;
    return b;
}

/* The first blocks of each size come from the allocator behind, where all sizes share pages. */
static bool are_few(struct slab *s, uint8_t class) {
    if (s->first[class] < size_of[class])
        return false;
    s->first[class] = (uint16_t)(s->first[class] - size_of[class]);
    return true;
}

/* The current chunk has no free block: take one of another chunk. */
static void *block_of_another(struct slab *s, uint8_t class) {
    if (are_few(s, class))
        return NULL;
    struct list *waiting = &s->waiting[class];
    struct chunk *c = list_empty(waiting) ? new_chunk(s, class)
                                          : LIST_ITEM(list_pop(waiting), struct chunk, node);
    if (!c)
        return NULL;
    s->current[class]->place = FULL;
    s->current[class] = c;
    c->place = CURRENT;
    return c->free ? reused_block(c) : fresh_block(s, c);
}

static void *take(struct slab *s, size_t size) {
    uint8_t class = s->class_of[(size + 7) / 8];
    struct chunk *c = s->current[class];
    if (c->free)
        return reused_block(c);
    void *p = fresh_block(s, c);
    return p ? p : block_of_another(s, class);
}

static void wait_for_need(struct slab *s, struct chunk *c) {
    c->place = WAITING;
    list_push(&s->waiting[c->class], &c->node);
}

/* A chunk that is not current has one block less; it was full or sealed, or is empty now. */
static void look_at(struct slab *s, struct chunk *c) {
    if (c->place == SEALED) {
        if (c->used == 0) {
            s->nused--;
            give_back(s, c);
        }
        return;
    }
    if (c->used == 0)
        make_empty(s, c);
    else
        wait_for_need(s, c);
}

static void give(struct slab *s, struct chunk *c, void *block) {
    c->used--;
    if (c->place != SEALED) {
        struct block *b = block;
        b->next = c->free;
        c->free = b;
    }
    if (c->place >= FULL || (c->used == 0 && c->place == WAITING))
        look_at(s, c);
}

/* --- the allocator --- */

static void *of_behind(const struct slab *s, void *block, size_t old_size, size_t size) {
    return tine__alloc((void *)&s->behind, block, old_size, size);
}

static void *any(struct slab *s, size_t size) {
    void *p = size <= LARGEST ? take(s, size) : NULL;
    return p ? p : of_behind(s, NULL, 0, size);
}

/* Move as much as fits of a block of ours to another place. Making a block smaller must not fail:
** then it stays where it is. */
static void *moved(struct slab *s, struct chunk *c, void *block, size_t size) {
    size_t old = size_of[c->class];
    void *p = any(s, size);
    if (!p)
        return size <= old ? block : NULL;
    memcpy(p, block, size < old ? size : old);
    give(s, c, block);
    return p;
}

void *tine__slab_alloc(void *slab, void *block, size_t old_size, size_t size) {
    struct slab *s = slab;
    if (!block)
        return size ? any(s, size) : NULL;
    size_t at = (uintptr_t)block - (uintptr_t)s->base;
    if (at >= s->span)
        return of_behind(s, block, old_size, size);
    struct chunk *c = &s->chunks[at >> CHUNK_BITS];
    if (size == 0) {
        give(s, c, block);
        return NULL;
    }
    if (size <= LARGEST && s->class_of[(size + 7) / 8] == c->class)
        return block;
    return moved(s, c, block, size);
}

/* --- the owner --- */

static void prepare(struct slab *s) {
    list_init(&s->spare);
    list_init(&s->given);
    s->none.fresh = CHUNK - 1;
    for (unsigned i = 0, class = 0; i <= LARGEST / 8; i++) {
        class += i * 8 > size_of[class];
        s->class_of[i] = (uint8_t) class;
    }
    for (unsigned i = 0; i < CLASSES; i++) {
        s->current[i] = &s->none;
        s->first[i] = FIRST;
        list_init(&s->waiting[i]);
    }
}

struct slab *tine__slab_new(const struct alloc *behind) {
    struct slab *s = sys.calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->span = span();
    s->base = s->span ? reserve(s->span + about(s->span)) : NULL;
    if (!s->base) {
        free(s);
        return NULL;
    }
    s->chunks = (struct chunk *)(void *)(s->base + s->span);
    s->behind = *behind;
    prepare(s);
    return s;
}

void tine__slab_forked(struct slab *s) {
    for (unsigned i = 0; i < CLASSES; i++) {
        s->first[i] = FIRST_FORKED;
        struct chunk *c = s->current[i];
        s->current[i] = &s->none;
        if (c != &s->none)
            look_at(s, c);
    }
}

void tine__slab_fit(struct slab *s) {
    size_t old = s->span, left = span();
    left = left > s->open ? left : s->open;
    if (left >= old)
        return;
    s->span = left;
    munmap(s->base + left, old - left);
    munmap((char *)s->chunks + about(left), about(old) - about(left));
}

void tine__slab_seal(struct slab *s) {
    for (size_t i = 0; i < s->begun >> CHUNK_BITS; i++) {
        struct chunk *c = &s->chunks[i];
        if (c->used == 0) {
            s->nused -= c->place != EMPTY;
            give_back(s, c);
        } else {
            list_remove(&c->node);
            c->place = SEALED;
        }
    }
    s->nspare = s->least = 0;
    for (unsigned i = 0; i < CLASSES; i++)
        s->current[i] = &s->none;
}

bool tine__slab_untidy(const struct slab *s) {
    return s->nspare > KEPT;
}

void tine__slab_tidy(struct slab *s, bool all) {
    uint32_t n = all ? s->nspare : s->least;
    n = n > KEPT ? n - KEPT : 0;
    if (n > MOST_AT_A_TIME)
        n = MOST_AT_A_TIME;
    for (; n > 0; n--)
        give_back_oldest(s);
    s->least = s->nspare;
}
