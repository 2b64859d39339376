#include "base/alloc.h"

#include <stdint.h>
#include "base/sys.h"

#define HUGE_PAGE ((uintptr_t)2 << 20)

void *tine__alloc(void *alloc, void *block, size_t old_size, size_t size) {
    const struct alloc *a = alloc;
    char *p = a->f(a->ud, block, old_size, size);
    if (p && size >= ALLOC_LARGE) {
        uintptr_t from = ((uintptr_t)p + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
        uintptr_t to = ((uintptr_t)p + size) & ~(HUGE_PAGE - 1);
        sys.madvise((void *)from, to - from, MADV_HUGEPAGE); /* if refused, pages are small */
    }
    return p;
}
