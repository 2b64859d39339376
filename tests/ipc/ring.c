/* Messages pass round a ring of processes, from tiny to huge: each reads the link of the one before
** it and writes its own. (After test_shm_mq of PostgreSQL.) */
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/bell.h"
#include "ipc/ring_one.h"
#include "ipc/link.h"

#define WORKERS 3
#define STATIONS (WORKERS + 1) /* links; the first one's reader is worker 0, the last one's we */
#define PASSAGES 16            /* fill one ring, not all of them */

static struct link links[STATIONS];
static struct bell bells[STATIONS]; /* bell i wakes who reads link i */

static void ring(void *arg) {
    ring_one(arg, BELL_PRESSURE);
}

static void send_message(struct link *to, struct bell *bell, uint64_t id, const char *bytes,
                         size_t size) {
    struct record_block b = {.length = size};
    struct record r = {.length = (uint32_t)size, .kind = RECORD_VALUES, .id = id};
    if (size > LINK_INLINE) {
        char *p = tine__heap_alloc(to->heap, size, &b.offset);
        CHECK(p);
        memcpy(p, bytes, size);
        r.length = sizeof b, r.large = 1;
    }
    tine__link_write(to, r, r.large ? (const void *)&b : bytes, ring, bell);
    ring_one(bell, BELL_RESULT);
}

/* The next message, however long it takes. */
static void receive(struct link *from, struct bell *bell, struct record *r, const char **bytes,
                    uint64_t *size) {
    struct pollfd p = {bell->fd, POLLIN, 0};
    int err;
    while ((err = tine__link_peek(from, r, bytes, size)) == TINE_EAGAIN) {
        bell_arm(bell, BELL_RESULT);
        if (!tine__link_pending(from))
            CHECK_EQ(poll(&p, 1, -1), 1);
        bell_disarm(bell);
        tine__bell_clear(bell->fd);
    }
    CHECK_EQ(err, 0);
}

static void done_with(struct link *from, const struct record *r) {
    if (r->large)
        tine__heap_release(from->heap, tine__link_block(r, from));
    tine__link_next(from);
}

/* Hands on all it gets; a message of no bytes is the last. */
static void work(int i) {
    struct link out;
    struct record r;
    const char *bytes;
    uint64_t size;
    CHECK_EQ(tine__link_attach(&out, tine__fd_copy(links[i + 1].shm.fd)), 0);
    do {
        receive(&links[i], &bells[i], &r, &bytes, &size);
        send_message(&out, &bells[i + 1], r.id, bytes, size);
        done_with(&links[i], &r);
    } while (size > 0);
    _exit(0);
}

/* Of what is large a sample, and all of its beginning, where messages differ. */
static unsigned long long sum_of(const char *bytes, size_t size) {
    unsigned long long sum = size;
    for (size_t i = 0; i < size; i += i < 4096 || size < 65536 ? 1 : 97)
        sum = sum * 31 + (unsigned char)bytes[i];
    return sum;
}

/* `count` messages of `size` bytes, some of them under way at the same time. */
static void round_trips(struct link *first, char *bytes, size_t size, unsigned count) {
    unsigned sent = 0, back = 0;
    unsigned long long sums[PASSAGES];
    while (back < count) {
        for (; sent < count && sent - back < PASSAGES; sent++) {
            bytes[sent % size] = (char)(sent * 7 + 1);
            sums[sent % PASSAGES] = sum_of(bytes, size);
            send_message(first, &bells[0], sent, bytes, size);
        }
        struct record r;
        const char *got;
        uint64_t length;
        receive(&links[WORKERS], &bells[WORKERS], &r, &got, &length);
        CHECK_EQ(r.id, back);
        CHECK_EQ(length, size);
        CHECK(sum_of(got, length) == sums[back++ % PASSAGES]);
        done_with(&links[WORKERS], &r);
    }
}

int main(void) {
    static const size_t sizes[] = {
        1,       31, 32, 33, 1000, LINK_INLINE, LINK_INLINE + 1, 100000, 1 << 20, (1 << 20) + 1,
        33 << 20};
    pid_t pids[WORKERS];
    struct link first;
    _Atomic uint32_t *words =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(words != MAP_FAILED);
    for (int i = 0; i < STATIONS; i++) {
        CHECK_EQ(tine__link_create(&links[i]), 0);
        bells[i] = (struct bell){&words[(size_t)i * 16], tine__fd_event()};
    }
    for (int i = 0; i < WORKERS; i++)
        if ((pids[i] = fork()) == 0)
            work(i);
    CHECK_EQ(tine__link_attach(&first, tine__fd_copy(links[0].shm.fd)), 0);
    char *bytes = calloc(1, 33 << 20);
    CHECK(bytes);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        round_trips(&first, bytes, sizes[i],
                    sizes[i] > 1 << 20 ? 4 : (unsigned)(8000 / (1 + sizes[i] / 64)) + 20);
    send_message(&first, &bells[0], 0, bytes, 0);
    for (int i = 0; i < WORKERS; i++) {
        int status;
        CHECK_EQ(waitpid(pids[i], &status, 0), pids[i]);
        CHECK_EQ(status, 0);
    }
    for (int i = 0; i < STATIONS; i++) {
        tine__link_close(&links[i]);
        close(bells[i].fd);
    }
    tine__link_close(&first);
    free(bytes);
    return 0;
}
