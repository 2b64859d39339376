/* Slab: blocks of all sizes keep what is in them, whatever is taken and given meanwhile; memory goes back. */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "base/fault.h"
#include "base/slab.h"
#include "base/sys.h"
#include "check.h"

#define BLOCKS 20000u
#define MIB ((size_t)1 << 20)

static size_t behind_has; /* blocks */
static bool behind_is_empty;

static void *plain(void *ud, void *block, size_t old_size, size_t size) {
    (void)old_size;
    CHECK(ud == &behind_has);
    if (size == 0) {
        behind_has -= block != NULL;
        free(block);
        return NULL;
    }
    if (behind_is_empty)
        return NULL;
    behind_has += block == NULL;
    return realloc(block, size);
}

static const struct alloc behind = {plain, &behind_has};

/* --- blocks, each filled with bytes of its own --- */

struct one {
    unsigned char *p;
    size_t size;
    unsigned char byte;
};

static struct one blocks[BLOCKS];
static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t below) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32) % below;
}

static size_t draw_size(void) {
    return 1 + draw(draw(20) == 0 ? 5000 : draw(4) == 0 ? 520 : 100);
}

static void check_one(const struct one *b, size_t n) {
    for (size_t i = 0; i < n; i++)
        CHECK_EQ(b->p[i], b->byte);
}

static void set_size(struct slab *s, struct one *b, size_t size) {
    size_t both = b->size < size ? b->size : size;
    check_one(b, b->size);
    b->p = tine__slab_alloc(s, b->p, b->p ? b->size : 5 /* the kind of an object */, size);
    CHECK((b->p != NULL) == (size > 0));
    CHECK_EQ((uintptr_t)b->p % (size % 16 ? 8 : 16), 0);
    check_one(b, both);
    b->size = size;
    b->byte = (unsigned char)draw(256);
    if (size)
        memset(b->p, b->byte, size);
}

static void free_all(struct slab *s) {
    for (unsigned i = 0; i < BLOCKS; i++)
        set_size(s, &blocks[i], 0);
    CHECK_EQ(behind_has, 0);
}

static size_t resident(void) {
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long size, pages = 0;
    CHECK(f && fscanf(f, "%lu %lu", &size, &pages) == 2);
    fclose(f);
    return pages * 4096;
}

/* There is no end to it: what is reachable is no leak. */
static struct slab *new_slab(void) {
    static struct slab *all[32];
    static unsigned n;
    struct slab *s = tine__slab_new(&behind);
    CHECK(s && n < sizeof all / sizeof *all);
    return all[n++] = s;
}

/* --- */

static void blocks_are_nobody_elses(void) {
    struct slab *s = new_slab();
    for (unsigned n = 0; n < 30 * BLOCKS; n++) {
        set_size(s, &blocks[draw(BLOCKS)], draw(3) == 0 ? 0 : draw_size());
        if (n % 100000 == 99999)
            tine__slab_tidy(s, n % 200000 == 99999);
    }
    free_all(s);
}

static void a_block_from_before_is_known(void) {
    char *p = plain(&behind_has, NULL, 0, 40);
    strcpy(p, "before");
    struct slab *s = new_slab();
    p = tine__slab_alloc(s, p, 40, 60);
    CHECK(!strcmp(p, "before"));
    CHECK(!tine__slab_alloc(s, p, 60, 0));
    CHECK_EQ(behind_has, 0);
}

static void fill(struct slab *s, char **list, unsigned n, size_t size) {
    for (unsigned i = 0; i < n; i++) {
        CHECK(list[i] = tine__slab_alloc(s, NULL, 0, size));
        memset(list[i], 1, size);
    }
}

static void empty(struct slab *s, char **list, size_t n, size_t size) {
    for (size_t i = 0; i < n; i++)
        tine__slab_alloc(s, list[i], size, 0);
}

static void empty_memory_goes_back(void) {
    static char *list[1000000];
    const unsigned n = sizeof list / sizeof *list;
    struct slab *s = new_slab();
    memset(list, 1, sizeof list); /* is in `before`, then */
    size_t before = resident();
    fill(s, list, n, 56);
    CHECK(resident() - before > 50 * MIB);
    size_t full = resident();
    empty(s, list, n, 56);
    fill(s, list, n / 2, 64); /* of another size */
    CHECK(resident() < full + MIB);
    empty(s, list, n / 2, 64);
    CHECK(tine__slab_untidy(s));
    for (unsigned i = 0; i < 100; i++) /* the last time was before there was any */
        tine__slab_tidy(s, false);
    CHECK(!tine__slab_untidy(s));
    CHECK(resident() < before + 16 * MIB);
    fill(s, list, n, 24);
    for (unsigned i = 0; i < n; i++)
        CHECK_EQ(list[i][23], 1);
    empty(s, list, n, 24);
    while (tine__slab_untidy(s))
        tine__slab_tidy(s, true);
    CHECK(resident() < before + 16 * MIB);
}

/* Without anybody who tidies up. */
static void little_more_is_kept_than_is_in_use(void) {
    static char *list[1000000];
    const unsigned n = sizeof list / sizeof *list;
    struct slab *s = new_slab();
    memset(list, 1, sizeof list);
    size_t before = resident();
    fill(s, list, n, 56);
    CHECK(resident() - before > 50 * MIB);
    empty(s, list, n, 56);
    CHECK(resident() < before + 24 * MIB);
}

static void what_is_used_again_stays(void) {
    static char *list[100000];
    const unsigned n = sizeof list / sizeof *list;
    struct slab *s = new_slab();
    for (unsigned i = 0; i < 3; i++) {
        fill(s, list, n, 48);
        tine__slab_tidy(s, false);
        size_t full = resident();
        empty(s, list, n, 48);
        tine__slab_tidy(s, false);
        CHECK(resident() + MIB > full);
    }
}

static void sealed_chunks_are_not_written_to(void) {
    static char *list[4000];
    const unsigned n = sizeof list / sizeof *list, few = 1300; /* and more come from behind */
    struct slab *s = new_slab();
    fill(s, list, n, 40);
    for (unsigned i = few; i < n; i += 2)
        tine__slab_alloc(s, list[i], 40, 0);
    tine__slab_seal(s);
    char *from = list[few], *to = list[n - 1] + 40;
    for (unsigned i = few; i < n; i += 2) {
        CHECK(list[i] = tine__slab_alloc(s, NULL, 0, 40));
        CHECK(list[i] < from || list[i] >= to);
    }
    char copy[40];
    memcpy(copy, list[few + 1], sizeof copy);
    CHECK(!tine__slab_alloc(s, list[few + 1], 40, 0));
    CHECK(!memcmp(copy, list[few + 1], sizeof copy));
    empty(s, list, few, 40);
}

/* What is free in the pages of the parent is used only when there is need of much. */
static void a_child_begins_anew(void) {
    static char *list[4000], *more[4000];
    const unsigned n = sizeof list / sizeof *list;
    struct slab *s = new_slab();
    fill(s, list, n, 40);
    size_t had = behind_has;
    char *last = list[n - 1];
    tine__slab_alloc(s, last, 40, 0);
    tine__slab_forked(s);
    size_t few = 0;
    for (; behind_has == had + few; few++)
        CHECK(more[few] = tine__slab_alloc(s, NULL, 0, 40));
    CHECK(few > 1);
    CHECK(more[few - 1] == last);
    empty(s, more, few, 40);
    empty(s, list, n - 1, 40);
    CHECK_EQ(behind_has, 0);
}

static void the_allocator_behind_does_alone(void) {
    struct rlimit all, little;
    CHECK(getrlimit(RLIMIT_AS, &all) == 0);
    little = all;
    little.rlim_cur = 64 * MIB; /* sanitizers have more than that already */
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    static struct slab *s;
    s = tine__slab_new(&behind);
    CHECK(setrlimit(RLIMIT_AS, &all) == 0);
    static char *list[400000];
    const unsigned n = sizeof list / sizeof *list;
    if (!s)
        return;
    fill(s, list, n, 56);
    CHECK(behind_has > 0);
    empty(s, list, n, 56);
    CHECK_EQ(behind_has, 0);
    behind_is_empty = true;
    CHECK(!tine__slab_alloc(s, NULL, 0, 10000));
    behind_is_empty = false;
}

static size_t mapped_pages(void) {
    size_t pages;
    FILE *f = fopen("/proc/self/statm", "r");
    CHECK(f && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages;
}

/* A worker has a lower limit of addresses than its root, and could map nothing more. */
static void a_lower_limit_leaves_what_is_in_use(void) {
    static char *few[100000], *list[400000];
    const unsigned n = sizeof list / sizeof *list, m = sizeof few / sizeof *few;
    struct rlimit all, little;
    static struct slab *s;
    CHECK(s = tine__slab_new(&behind));
    fill(s, few, m, 56);
    tine__slab_fit(s);
    size_t before = mapped_pages();
    CHECK(getrlimit(RLIMIT_AS, &all) == 0);
    little = all;
    little.rlim_cur = 64 * MIB;
    CHECK(setrlimit(RLIMIT_AS, &little) == 0);
    tine__slab_fit(s);
    CHECK(setrlimit(RLIMIT_AS, &all) == 0);
    size_t after = mapped_pages();
    CHECK(before - after > ((size_t)3 << 30) / 4096);
    fill(s, list, n, 56);
    CHECK(mapped_pages() - after < 64 * MIB / 4096);
    CHECK(behind_has * 56 > 8 * MIB);
    empty(s, few, m, 56);
    empty(s, list, n, 56);
    CHECK_EQ(behind_has, 0);
}

int main(void) {
    blocks_are_nobody_elses();
    a_block_from_before_is_known();
    empty_memory_goes_back();
    little_more_is_kept_than_is_in_use();
    what_is_used_again_stays();
    sealed_chunks_are_not_written_to();
    a_child_begins_anew();
    the_allocator_behind_does_alone();
    a_lower_limit_leaves_what_is_in_use();
#ifdef TINE_FAULTS
    CHECK(tine__fault_set("mprotect:3:ENOMEM:0"));
    blocks_are_nobody_elses();
    CHECK(tine__fault_set("madvise:1:ENOMEM:0"));
    blocks_are_nobody_elses();
    CHECK(tine__fault_set("mmap"));
    CHECK(!tine__slab_new(&behind));
#endif
    return 0;
}
