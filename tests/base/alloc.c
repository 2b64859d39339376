/* The memory of Lua states: blocks keep their bytes across the border between malloc and mappings. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "base/alloc.h"
#include "base/fault.h"
#include "check.h"

#define MIB ((size_t)1 << 20)

static void fill(char *p, size_t from, size_t to) {
    for (size_t i = from; i < to; i += 997)
        p[i] = (char)(i / 997);
}

static void check_bytes(const char *p, size_t n) {
    for (size_t i = 0; i < n; i += 997)
        CHECK_EQ(p[i], (char)(i / 997));
}

static void bytes_survive_every_size(void) {
    static const size_t sizes[] = {1,       100,      4 * MIB - 1, 4 * MIB,   4 * MIB + 1,
                                   9 * MIB, 64 * MIB, 9 * MIB,     8 * MIB,   5 * MIB,
                                   3 * MIB, 70 * MIB, 10,          100 * MIB, 4 * MIB};
    char *p = NULL;
    size_t size = 8; /* what Lua says of a new block: its type */
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t kept = p ? size : 0;
        p = tine__alloc(NULL, p, size, sizes[i]);
        CHECK(p);
        size = sizes[i];
        if (kept < size)
            fill(p, (kept + 996) / 997 * 997, size);
        check_bytes(p, size);
    }
    CHECK(!tine__alloc(NULL, p, size, 0));
    CHECK(!tine__alloc(NULL, NULL, 4, 0));
}

static void large_blocks_are_given_back(void) {
    char *p = tine__alloc(NULL, NULL, 0, 8 * MIB);
    unsigned char there[8 * MIB / 4096];
    CHECK_EQ((uintptr_t)p % (2 * MIB), 0);
    CHECK_EQ(mincore(p, 8 * MIB, there), 0);
    tine__alloc(NULL, p, 8 * MIB, 0);
    CHECK_EQ(mincore(p, 8 * MIB, there), -1);
    CHECK_EQ(errno, ENOMEM);
}

static void absurd_sizes_are_refused(void) {
    CHECK(!tine__alloc(NULL, NULL, 0, SIZE_MAX));
    CHECK(!tine__alloc(NULL, NULL, 0, SIZE_MAX - 3 * MIB));
}

#ifdef TINE_FAULTS
static void what_cannot_be_had_is_null(void) {
    char *p = tine__alloc(NULL, NULL, 0, 1000);
    fill(p, 0, 1000);
    CHECK(tine__fault_set("mmap:1"));
    CHECK(!tine__alloc(NULL, p, 1000, 8 * MIB));
    CHECK_EQ(tine__fault_struck(), 1);
    check_bytes(p, 1000); /* it is what it was */
    CHECK(tine__fault_set("madvise:1"));
    char *q = tine__alloc(NULL, p, 1000, 8 * MIB); /* small pages, then */
    CHECK(q);
    CHECK_EQ(tine__fault_struck(), 1);
    CHECK(tine__fault_set(NULL));
    check_bytes(q, 1000);
    tine__alloc(NULL, q, 8 * MIB, 0);
}
#endif

int main(void) {
    bytes_survive_every_size();
    large_blocks_are_given_back();
    absurd_sizes_are_refused();
#ifdef TINE_FAULTS
    what_cannot_be_had_is_null();
#endif
    return 0;
}
