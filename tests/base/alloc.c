/* Huge pages for large blocks: another allocator's blocks are left what they are. */
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "check.h"

#define MIB ((size_t)1 << 20)

static unsigned calls;

static void *plain(void *ud, void *block, size_t old_size, size_t size) {
    (void)old_size;
    CHECK(ud == &calls);
    calls++;
    if (size > 1000 * MIB)
        return NULL;
    if (size == 0) {
        free(block);
        return NULL;
    }
    return realloc(block, size);
}

static struct alloc behind = {plain, &calls};

static void fill(char *p, size_t from, size_t to) {
    for (size_t i = from; i < to; i += 997)
        p[i] = (char)(i / 997);
}

static void check_bytes(const char *p, size_t n) {
    for (size_t i = 0; i < n; i += 997)
        CHECK_EQ(p[i], (char)(i / 997));
}

static void blocks_are_those_of_the_allocator(void) {
    static const size_t sizes[] = {1,        100,     4 * MIB - 1, 4 * MIB, 4 * MIB + 1,
                                   64 * MIB, 9 * MIB, 3 * MIB,     70 * MIB};
    char *p = NULL;
    size_t size = 0;
    unsigned n = 0, before = calls;
    for (; n < sizeof sizes / sizeof *sizes; n++) {
        p = tine__alloc(&behind, p, size, sizes[n]);
        CHECK(p);
        if (size < sizes[n])
            fill(p, (size + 996) / 997 * 997, sizes[n]);
        size = sizes[n];
        check_bytes(p, size);
    }
    CHECK(!tine__alloc(&behind, p, size, 2000 * MIB));
    check_bytes(p, size);
    CHECK(!tine__alloc(&behind, p, size, 0));
    CHECK_EQ(calls - before, n + 2);
}

/* Does the mapping that `p` lies in ask for huge pages? */
static bool asks(const void *p) {
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long from, to;
    bool here = false, yes = false;
    CHECK(f);
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)p && (uintptr_t)p < to;
        else if (here && !strncmp(line, "VmFlags:", 8))
            yes = strstr(line, " hg") != NULL;
    }
    fclose(f);
    return yes;
}

static void large_blocks_ask_for_huge_pages(void) {
    char *small = tine__alloc(&behind, NULL, 0, 3 * MIB);
    char *large = tine__alloc(&behind, NULL, 0, 40 * MIB);
    CHECK(!asks(small + MIB));
    CHECK(asks(large + 20 * MIB) || access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0);
    tine__alloc(&behind, small, 3 * MIB, 0);
    tine__alloc(&behind, large, 40 * MIB, 0);
}

int main(void) {
    blocks_are_those_of_the_allocator();
    large_blocks_ask_for_huge_pages();
#ifdef TINE_FAULTS
    CHECK(tine__fault_set("madvise:1"));
    blocks_are_those_of_the_allocator(); /* small pages, then */
    CHECK_EQ(tine__fault_struck(), 1);
#endif
    return 0;
}
