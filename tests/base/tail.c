/* The last bytes of a stream, against the whole of it. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "base/fault.h"
#include "base/tail.h"
#include "check.h"

static char whole[200000];

/* Write pieces of random length until so many bytes; look at the end, and now and then. */
static void check(uint64_t limit, size_t most, size_t total, bool look) {
    struct tail t = tail_of(limit);
    size_t n = 0;
    while (n < total) {
        size_t piece = (size_t)rand() % most + 1;
        if (piece > total - n)
            piece = total - n;
        tine__tail_append(&t, whole + n, piece);
        n += piece;
        if (look && rand() % 3)
            continue;
        size_t kept = n < limit ? n : (size_t)limit;
        const char *bytes = tine__tail_bytes(&t);
        CHECK_EQ(t.length, kept);
        CHECK(memcmp(bytes, whole + n - kept, kept) == 0);
    }
    CHECK(t.room <= limit);
    tine__tail_free(&t);
}

static void the_last_bytes_are_kept(void) {
    const uint64_t limits[] = {0, 1, 7, 1000, 1024, 4096, 65536, UINT64_MAX};
    const size_t pieces[] = {1, 10, 5000, 70000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (size_t k = 0; k < sizeof pieces / sizeof *pieces; k++)
            for (int look = 0; look < 2; look++)
                check(limits[i], pieces[k], pieces[k] < 100 ? 5000 : sizeof whole, look);
}

static void nothing_written_is_nothing(void) {
    struct tail t = tail_of(10);
    CHECK(tine__tail_bytes(&t) != NULL);
    CHECK_EQ(t.length, 0);
    tine__tail_append(&t, "", 0);
    CHECK_EQ(t.length, 0);
    tine__tail_free(&t);
}

#ifdef TINE_FAULTS
static void without_memory_fewer_are_kept(void) {
    struct tail t = tail_of(UINT64_MAX);
    CHECK(tine__fault_set("realloc:1"));
    tine__tail_append(&t, whole, 100);
    CHECK_EQ(t.length, 0);
    CHECK(tine__fault_set("realloc:2:ENOMEM:0"));
    tine__tail_append(&t, whole, 1000);
    tine__tail_append(&t, whole + 1000, 1000);
    CHECK_EQ(t.length, 1024);
    CHECK(memcmp(tine__tail_bytes(&t), whole + 2000 - 1024, 1024) == 0);
    CHECK(tine__fault_set(NULL));
    tine__tail_free(&t);
}
#endif

int main(void) {
    srand(1);
    for (size_t i = 0; i < sizeof whole; i++)
        whole[i] = (char)rand();
    the_last_bytes_are_kept();
    nothing_written_is_nothing();
#ifdef TINE_FAULTS
    without_memory_fewer_are_kept();
#endif
    return 0;
}
