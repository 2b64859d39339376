/* Regions, and an arena over which some task has scribbled: no process may crash because of that. */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/arena.h"
#include "ipc/arena_layout.h"

#define BEYOND ((uint64_t)1 << 40) /* no file here is so long */

static struct region *make(struct handle *h) {
    struct region *r;
    CHECK_EQ(tine__region_new(&r, REGION_BUFFER, 10000), 0);
    *h = tine__region_handle(r);
    return r;
}

/* Be a process that Tine has forked for this seat. */
static struct arena *sit_down(struct arena *a, uint32_t ticket) {
    int fd = tine__arena_fd(a);
    tine__arena_forget();
    CHECK_EQ(tine__arena_attach(fd, ticket), 0);
    return tine__arena_get();
}

/* Open the region in another process, and read all of it. `err` is what comes of it. */
static void open_elsewhere(struct arena *a, const struct handle *h, int err) {
    uint32_t ticket = tine__seat_give(a);
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        struct region *r;
        sit_down(a, ticket);
        CHECK_EQ(tine__region_open(&r, h, REGION_BUFFER), err);
        for (uint64_t i = 0; !err && i < r->size; i++)
            CHECK_EQ(r->base[i], 0);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    tine__seat_vacate(a, ticket);
}

/* Offset and size were believed. What lay beyond the end of the file raised SIGBUS when it was read. */
static void a_region_beyond_the_file_is_none(struct arena *a) {
    struct handle h;
    struct region *r = make(&h);
    struct slot *s = &a->slots[h.index];
    const uint64_t offset = s->offset, size = s->size;
    const struct {
        uint64_t offset, size;
    } bad[] = {{BEYOND, size},
               {offset, BEYOND},
               {offset, UINT64_MAX - offset + 2},
               {UINT64_MAX - 4095, size},
               {0, size}};
    open_elsewhere(a, &h, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        s->offset = bad[i].offset;
        s->size = bad[i].size;
        open_elsewhere(a, &h, TINE_EINVALID);
    }
    s->offset = offset;
    s->size = size;
    tine__region_unref(r);
}

/* Who stops holding a region looks at the columns of all seats. */
static void a_column_beyond_the_file_is_none(struct arena *a) {
    struct handle h;
    struct region *r = make(&h);
    uint32_t other = tine__seat_give(a),
             ticket = tine__seat_give(a); /* one that nobody has sat in so far */
    atomic_store(&a->seats[seat_number(ticket)].column, BEYOND);
    tine__region_unref(r);
    CHECK_EQ(slot_state(atomic_load(&a->slots[h.index].word)),
             SLOT_LIVE); /* that process may hold it */
    tine__seat_vacate(a, ticket);
    tine__seat_vacate(a, other);
    atomic_store(&a->seats[seat_number(ticket)].column, 0);
}

static void there_are_no_more_slots_and_seats_than_there_can_be(struct arena *a) {
    struct handle h;
    struct region *r = make(&h);
    uint32_t slots = atomic_load(&a->head->slots), seats = atomic_load(&a->head->top_seat);
    uint32_t ticket = tine__seat_give(a);
    atomic_store(&a->seats[seat_number(ticket)].column, tine__arena_place(a, COLUMN_SIZE));
    atomic_store(&a->head->slots, UINT32_MAX);
    atomic_store(&a->head->top_seat, UINT32_MAX);
    tine__seat_vacate(a, ticket);
    tine__region_unref(r);
    tine__region_unref(make(&h));
    h.index = ARENA_SLOTS;
    CHECK_EQ(tine__region_open(&r, &h, REGION_BUFFER), TINE_EINVALID);
    atomic_store(&a->head->slots, slots);
    atomic_store(&a->head->top_seat, seats);
}

/* The file may be longer already than a process may make files: then nothing had to be lengthened, and the write
** raised SIGXFSZ. */
static void a_limit_on_files_is_an_error(void) {
    const struct rlimit limit = {4096, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
    struct handle h;
    struct region *r;
    tine__region_unref(make(&h));
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
    CHECK_EQ(tine__region_new(&r, REGION_IMAGE, 5), 0);
    CHECK_EQ(tine__region_seal(r, "image"), TINE_ESYSTEM);
    CHECK_EQ(errno, EFBIG);
    tine__region_unref(r);
    CHECK_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
}

int main(void) {
    struct arena *a = tine__arena_get();
    CHECK(a);
    a_region_beyond_the_file_is_none(a);
    there_are_no_more_slots_and_seats_than_there_can_be(a);
    a_column_beyond_the_file_is_none(a);
    a_limit_on_files_is_an_error();
    tine__arena_put(a);
    return 0;
}
