#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "base/sys.h"

#define HUGE_PAGE ((size_t)2 << 20)
#define LARGE (2 * HUGE_PAGE)

static size_t mapped(size_t size) {
    return (size + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
}

static void *map(size_t size) {
    size_t n = mapped(size);
    if (n < size || n + HUGE_PAGE < n)
        return NULL;
    char *p =
        sys.mmap(NULL, n + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)p & (HUGE_PAGE - 1);
    if (before > 0)
        munmap(p, before);
    munmap(p + before + n, HUGE_PAGE - before);
    sys.madvise(p + before, n, MADV_HUGEPAGE); /* without them it is slower, that is all */
    return p + before;
}

static void *resize(void *block, size_t old_size, size_t size) {
    if (mapped(size) == mapped(old_size))
        return block;
    void *p = mremap(block, mapped(old_size), mapped(size), MREMAP_MAYMOVE);
    return p == MAP_FAILED ? NULL : p;
}

static void give_back(void *block, size_t size) {
    if (size >= LARGE)
        munmap(block, mapped(size));
    else
        free(block);
}

/* Across the border between the two kinds. */
static void *move(void *block, size_t old_size, size_t size) {
    void *p = size >= LARGE ? map(size) : malloc(size);
    if (p && block) {
        memcpy(p, block, old_size < size ? old_size : size);
        give_back(block, old_size);
    }
    return p;
}

void *tine__alloc(void *ud, void *block, size_t old_size, size_t size) {
    (void)ud;
    if (!block)
        old_size = 0; /* Lua tells what the block is for instead */
    if (size == 0) {
        if (block)
            give_back(block, old_size);
        return NULL;
    }
    if (size < LARGE && old_size < LARGE)
        return realloc(block, size); /* not one of the core's own: no entry in `sys` */
    return block && size >= LARGE && old_size >= LARGE ? resize(block, old_size, size)
                                                       : move(block, old_size, size);
}
