/* The heap of large payloads, one thread as both sides. */
#include "ipc/heap.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/shm.h"

#define START 4096u
#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

static struct shm file;
static struct heap_directory *dir;
static struct heap *writer, *reader;

static void open_both(void) {
    CHECK_EQ(tine__shm_create(&file, "heap", START), 0);
    dir = (struct heap_directory *)file.base;
    CHECK_EQ(tine__heap_create(&writer, dir, file.fd, START), 0);
    CHECK_EQ(tine__heap_attach(&reader, dir, file.fd, true), 0);
}

static void close_both(void) {
    tine__heap_destroy(writer);
    tine__heap_destroy(reader);
    tine__shm_close(&file);
}

static void *alloc(size_t size, uint64_t *offset) {
    void *p = tine__heap_alloc(writer, size, offset);
    CHECK(p);
    CHECK_LE(size, tine__heap_capacity(writer, *offset));
    return p;
}

static const char *at(uint64_t offset, uint64_t length) {
    int err;
    const char *p = tine__heap_at(reader, offset, length, &err);
    CHECK_EQ(err, 0);
    CHECK(p);
    return p;
}

static size_t resident(void) {
    struct stat st;
    CHECK_EQ(fstat(file.fd, &st), 0);
    return (size_t)st.st_blocks * 512;
}

static void blocks_do_not_overlap(void) {
    enum { N = 500 };
    static struct {
        unsigned char *p;
        uint64_t offset;
        size_t size;
    } b[N];
    unsigned long long seed = 7;
    open_both();
    for (int round = 0; round < 20000; round++) {
        int i = (int)(check_random(&seed) % N);
        if (b[i].p) {
            const unsigned char *r = (const unsigned char *)at(b[i].offset, b[i].size);
            CHECK_EQ(r[0], (unsigned char)i);
            CHECK_EQ(r[b[i].size - 1], (unsigned char)i);
            CHECK_EQ(b[i].p[b[i].size / 2], (unsigned char)i);
            if (round % 3)
                tine__heap_free(writer, b[i].offset);
            else
                tine__heap_release(reader, b[i].offset);
        }
        b[i].size = 1 + check_random(&seed) % (1u << check_random(&seed) % 18);
        b[i].p = alloc(b[i].size, &b[i].offset);
        CHECK_EQ((uintptr_t)b[i].p % 64, 0);
        memset(b[i].p, i, b[i].size);
    }
    close_both();
    memset(b, 0, sizeof b);
}

static void capacity_is_within_a_quarter(void) {
    open_both();
    for (size_t size = 0; size < 40 * MIB; size += size / 7 + 1) {
        uint64_t offset;
        alloc(size, &offset);
        if (size > 256)
            CHECK_LE(tine__heap_capacity(writer, offset) * 4, size * 5 + 512);
        /* all of it is the block's own */
        at(offset, tine__heap_capacity(writer, offset));
    }
    close_both();
}

static void freed_blocks_are_used_again(void) {
    uint64_t a, b, c;
    open_both();
    void *p = alloc(100 * KIB, &a);
    tine__heap_free(writer, a);
    CHECK(alloc(100 * KIB, &b) == p);
    CHECK_EQ(a, b);
    tine__heap_release(reader, b); /* not seen by tine__heap_at: ignored */
    CHECK(alloc(100 * KIB, &c) != p);
    at(b, 1), at(c, 1);
    tine__heap_release(reader, b);
    tine__heap_release(reader, c);
    uint64_t d, e;
    alloc(100 * KIB, &d), alloc(100 * KIB, &e);
    CHECK((d == b && e == c) || (d == c && e == b));
    close_both();
}

static void grow_keeps_the_bytes(void) {
    uint64_t offset, other;
    open_both();
    for (int round = 0; round < 3; round++) {
        char *p = alloc(1, &offset);
        size_t used = 0;
        while (used < 20 * MIB) {
            size_t room = tine__heap_capacity(writer, offset);
            memset(p + used, (char)(room >> 6), room - used);
            used = room;
            if (round == 1) /* somebody else's block behind it: it cannot grow in place */
                alloc(10, &other);
            CHECK((p = tine__heap_grow(writer, &offset, used, used + 1)) != NULL);
            CHECK_EQ(p[used - 1], (char)(used >> 6));
            CHECK(at(offset, used) + used - 1 != p);
        }
        CHECK(tine__heap_grow(writer, &offset, used, 5) == p);
        tine__heap_free(writer, offset);
    }
    CHECK_LE(resident(), 100 * MIB);
    close_both();
}

static void pages_beyond_the_budget_are_given_back(void) {
    uint64_t offset[8];
    open_both();
    for (int i = 0; i < 8; i++)
        memset(alloc(64 * MIB, &offset[i]), 1, 64 * MIB);
    CHECK_LE(512 * MIB, resident());
    for (int i = 0; i < 8; i++)
        tine__heap_free(writer, offset[i]);
    CHECK_LE(resident(), HEAP_KEEP + MIB);
    CHECK_LE(HEAP_KEEP / 2, resident());
    for (int i = 0; i < 8; i++) /* and can be used as before */
        memset(alloc(64 * MIB, &offset[i]), 1, 64 * MIB);
    CHECK_LE(dir->count, 8);
    close_both();
}

static void huge_blocks(void) {
    size_t size = ((size_t)1 << 30) + 12345;
    uint64_t offset[3];
    open_both();
    for (int i = 0; i < 3; i++) {
        char *p = alloc(size, &offset[i]);
        p[0] = 'a', p[size - 1] = 'z';
    }
    for (int i = 0; i < 3; i++) {
        const char *r = at(offset[i], size);
        CHECK_EQ(r[0], 'a');
        CHECK_EQ(r[size - 1], 'z');
        tine__heap_free(writer, offset[i]);
    }
    CHECK_LE(resident(), HEAP_KEEP + MIB);
    CHECK(!tine__heap_alloc(writer, (size_t)1 << 50, offset));
    CHECK(!tine__heap_alloc(writer, SIZE_MAX, offset));
    CHECK_EQ(errno, ENOMEM);
    close_both();
}

/* Blocks in steady use keep their pages, those that rest give them back: 256 MB of them were kept for ever. */
static void resting_blocks_are_given_back(void) {
    uint64_t offset[4];
    open_both();
    CHECK(!tine__heap_untidy(writer));
    for (int i = 0; i < 4; i++)
        memset(alloc(8 * MIB, &offset[i]), 1, 8 * MIB);
    for (int i = 0; i < 4; i++)
        tine__heap_free(writer, offset[i]);
    uint64_t now = tine__now();
    CHECK(tine__heap_untidy(writer));
    CHECK_LE(now, tine__heap_tidy(writer, now));
    CHECK_LE(32 * MIB, resident());
    memset(alloc(8 * MIB, &offset[0]), 1, 8 * MIB);
    CHECK_EQ(tine__heap_tidy(writer, now + 2 * HEAP_REST), 0);
    CHECK(!tine__heap_untidy(writer));
    CHECK_LE(8 * MIB, resident());
    CHECK_LE(resident(), 11 * MIB);
    for (int i = 1; i < 4; i++) /* and can be used as before */
        memset(alloc(8 * MIB, &offset[i]), 1, 8 * MIB);
    CHECK_LE(dir->extent[0].size, 64 * MIB);
    close_both();
}

/* The writer may be asleep when a result is dropped after all: its reader empties it. What is dropped at once
** will be written again soon. */
static void a_reader_empties_what_it_had_for_long(void) {
    uint64_t offset;
    open_both();
    memset(alloc(8 * MIB, &offset), 1, 8 * MIB);
    tine__heap_give(writer, offset);
    CHECK(tine__heap_untidy(writer));
    at(offset, 8 * MIB);
    tine__heap_release(reader, offset);
    CHECK_LE(8 * MIB, resident());
    memset(alloc(8 * MIB, &offset), 1, 8 * MIB);
    tine__heap_give(writer, offset);
    uint64_t *since = (uint64_t *)(uintptr_t)(at(offset - 64, 64) + 24);
    CHECK_LE(tine__now() - *since, HEAP_REST * 100);
    *since -= 2 * HEAP_REST;
    CHECK_EQ(tine__heap_tidy(writer, tine__now() + 2 * HEAP_REST), 0); /* it need not look again */
    tine__heap_release(reader, offset);
    CHECK_LE(resident(), MIB);
    memset(alloc(8 * MIB, &offset), 1, 8 * MIB);
    close_both();
}

/* What the writer says of a block when its reader empties it may be anything. */
static void rubbish_in_block_heads(void) {
    static const uint32_t classes[] = {0, 40, 70, 159, 160, UINT32_MAX};
    uint64_t offset, other;
    open_both();
    char *p = alloc(MIB, &offset);
    alloc(MIB, &other);
    at(other, 1);
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        memcpy(p - 64, &classes[i], sizeof classes[i]);
        memset(p - 40, 0, sizeof(uint64_t)); /* had for long */
        dir->released = 0;
        at(offset, 1);
        tine__heap_release(reader, offset);
    }
    tine__heap_release(reader, UINT64_MAX - 63);
    tine__heap_release(reader, 0);
    dir->released = 0;
    close_both();
}

/* A pool's end closes the descriptor, and the number may be that of any file of the program afterwards. */
static void a_retired_heap_does_not_grow(void) {
    uint64_t offset, second;
    int err;
    open_both();
    alloc(MIB, &offset);
    at(offset, MIB);
    tine__heap_retire(writer);
    tine__heap_retire(reader);
    close(file.fd);
    FILE *mine = tmpfile();
    CHECK(mine);
    CHECK_EQ(fileno(mine), file.fd);
    alloc(MIB, &second); /* in what is mapped */
    CHECK(!tine__heap_alloc(writer, 64 * MIB, &second));
    CHECK_EQ(errno, ESHUTDOWN);
    CHECK(!tine__heap_grow(writer, &offset, 10, 64 * MIB));
    at(offset, MIB);
    dir->count = 2;
    CHECK(!tine__heap_at(reader, (uint64_t)1 << 30, 1, &err));
    CHECK_EQ(err, TINE_ESHUTDOWN);
    CHECK_EQ(resident(), 0);
    file.fd = -1;
    fclose(mine);
    close_both();
}

static int error_at(uint64_t offset, uint64_t length) {
    int err = 0;
    CHECK(!tine__heap_at(reader, offset, length, &err));
    return err;
}

static void hostile_offsets_and_extents(void) {
    uint64_t offset;
    open_both();
    CHECK_EQ(error_at(0, 0), TINE_EINVALID);
    CHECK_EQ(error_at(START, 1), TINE_EINVALID);
    alloc(1000, &offset);
    at(offset, 1000);
    uint64_t first = dir->extent[0].offset, size = dir->extent[0].size;
    CHECK_EQ(error_at(first - 1, 1), TINE_EINVALID);
    CHECK_EQ(error_at(first + size, 1), TINE_EINVALID);
    CHECK_EQ(error_at(first + size - 1, 2), TINE_EINVALID);
    CHECK_EQ(error_at(first, size + 1), TINE_EINVALID);
    CHECK_EQ(error_at(UINT64_MAX, 1), TINE_EINVALID);
    CHECK_EQ(error_at(offset, UINT64_MAX), TINE_EINVALID);
    CHECK_EQ(error_at(offset, UINT64_MAX - offset + 2), TINE_EINVALID);
    at(first, size); /* what is in the file may be read, whatever it is */
    /* what was mapped once does not change with the directory */
    dir->extent[0].offset = 0, dir->extent[0].size = UINT64_MAX;
    at(offset, 1000);
    CHECK_EQ(error_at(UINT64_MAX - 5, 1), TINE_EINVALID);
    static const uint64_t bad[][2] = {{0, 4096},
                                      {4096, 0},
                                      {4097, 4096},
                                      {4096, 4097},
                                      {4096, UINT64_MAX - 4095},
                                      {UINT64_MAX - 4095, 4096},
                                      {(uint64_t)1 << 40, 4096},
                                      {4096, (uint64_t)1 << 40}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        dir->extent[1].offset = bad[i][0], dir->extent[1].size = bad[i][1];
        dir->count = 2;
        CHECK_EQ(error_at((uint64_t)1 << 40, 1), TINE_EINVALID);
        tine__heap_release(reader, (uint64_t)1 << 40);
        CHECK_EQ(dir->released, 0);
    }
    dir->count = UINT32_MAX;
    CHECK_EQ(error_at((uint64_t)1 << 40, 1), TINE_EINVALID);
    tine__heap_release(reader, offset + 1); /* no block starts there */
    CHECK_EQ(dir->released, 0);
    close_both();
}

static void a_reader_that_may_not_write(void) {
    struct heap *h;
    uint64_t offset;
    int err;
    open_both();
    strcpy(alloc(1000, &offset), "hello");
    CHECK_EQ(tine__heap_attach(&h, dir, file.fd, false), 0);
    CHECK(!strcmp(tine__heap_at(h, offset, 6, &err), "hello"));
    tine__heap_destroy(h);
    tine__heap_destroy(NULL);
    close_both();
}

int main(void) {
    blocks_do_not_overlap();
    capacity_is_within_a_quarter();
    freed_blocks_are_used_again();
    grow_keeps_the_bytes();
    pages_beyond_the_budget_are_given_back();
    resting_blocks_are_given_back();
    a_reader_empties_what_it_had_for_long();
    rubbish_in_block_heads();
    a_retired_heap_does_not_grow();
    huge_blocks();
    hostile_offsets_and_extents();
    a_reader_that_may_not_write();
    return 0;
}
