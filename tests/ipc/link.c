/* The link of one worker, one thread as both sides. */
#include "ipc/link.h"

#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/link_layout.h"

static struct link l, w; /* submitter, worker */
static bool asked;

static void open_both(void) {
    CHECK_EQ(tine__link_create(&l), 0);
    CHECK_EQ(tine__link_attach(&w, tine__fd_copy(l.shm.fd)), 0);
}

static void close_both(void) {
    tine__link_close(&w);
    tine__link_close(&l);
    tine__link_close(&l);
}

static void no_ring(void *arg) {
    (void)arg;
    CHECK(!"nothing to wait for");
}

static void write_record(uint64_t id, const void *payload, uint32_t length) {
    struct record r = {.length = length, .kind = RECORD_VALUES, .id = id, .ref = (uint32_t)id};
    tine__link_write(&w, r, payload, no_ring, NULL);
}

/* Every third one says when its task ran: from its id on, until now. */
static void write_timed(uint64_t id, const void *payload, uint32_t length) {
    struct record r = {.length = length, .kind = RECORD_VALUES, .id = id};
    w.s->level.started = id % 3 ? 0 : id;
    tine__link_stamp(&w, &r, tine__now());
    tine__link_write(&w, r, payload, no_ring, NULL);
}

static void check_times(uint64_t id) {
    CHECK_EQ(l.times.started, id % 3 ? 0 : id);
    CHECK(id % 3 ? l.times.ended == 0 : l.times.ended > id && l.times.ended <= tine__now());
}

static void write_large(uint64_t id, size_t length) {
    struct record_block b = {.length = length};
    struct record r = {.length = sizeof b, .kind = RECORD_VALUES, .large = 1, .id = id};
    char *p = tine__heap_alloc(w.heap, length, &b.offset);
    CHECK(p);
    memset(p, (int)id, length);
    tine__link_write(&w, r, &b, no_ring, NULL);
}

static void records_of_all_sizes_round_the_ring(void) {
    static char bytes[LINK_INLINE];
    unsigned long long seed = 3;
    struct record r;
    const char *payload;
    uint64_t length, read = 0;
    open_both();
    CHECK(!tine__link_pending(&l));
    CHECK_EQ(tine__link_peek(&l, &r, &payload, &length), TINE_EAGAIN);
    for (uint64_t id = 1; id < 20000; id++) {
        uint32_t n = (uint32_t)(check_random(&seed) % (LINK_INLINE + 1)) >> id % 15;
        memset(bytes, (int)id, n);
        write_timed(id, bytes, n);
        CHECK(tine__link_pending(&l));
        if (id % 4)
            continue;
        for (int i = 0; i < 4; i++) {
            CHECK_EQ(tine__link_peek(&l, &r, &payload, &length), 0);
            CHECK_EQ(tine__link_peek(&l, &r, &payload, &length), 0); /* stays until next */
            CHECK_EQ(r.id, ++read);
            CHECK_EQ(r.kind, RECORD_VALUES);
            CHECK_EQ(r.length, length);
            check_times(r.id);
            if (length)
                CHECK(payload[0] == (char)r.id && payload[length - 1] == (char)r.id);
            tine__link_next(&l);
        }
        CHECK_EQ(tine__link_peek(&l, &r, &payload, &length), TINE_EAGAIN);
        CHECK(!tine__link_pending(&l));
    }
    close_both();
}

/* Read as it is written, it stays where it began; when something is unread, it goes on round the ring. */
static void an_empty_ring_begins_again(void) {
    struct record r;
    const char *payload;
    uint64_t length, unread = 0;
    open_both();
    for (uint64_t id = 1; id < 5000; id++) {
        bool leave = id % 1000 == 500;
        unread += leave;
        write_timed(id, "0123456789", 10);
        if (leave)
            continue;
        CHECK_EQ(tine__link_peek(&l, &r, &payload, &length), 0);
        CHECK_EQ(r.id, id - unread);
        CHECK(memcmp(payload, "0123456789", 10) == 0);
        CHECK(unread || payload - l.s->ring < RING_HOME);
        tine__link_next(&l);
    }
    CHECK_EQ(unread, 5);
    close_both();
}

static void half_full(void) {
    struct record r;
    const char *payload;
    uint64_t length, n = 0;
    open_both();
    while (!tine__link_half_full(&w))
        write_record(++n, "0123456789abcdef0123456789abcdef", 32);
    uint64_t size = sizeof r + 32;
    CHECK_EQ(n, LINK_RING / 2 / size + 1);
    while (tine__link_peek(&l, &r, &payload, &length) == 0)
        tine__link_next(&l);
    CHECK(!tine__link_half_full(&w));
    close_both();
}

static void large_results_come_through_the_heap(void) {
    struct record r;
    const char *payload;
    uint64_t length;
    open_both();
    for (uint64_t id = 1; id < 50; id++) {
        size_t n = (size_t)20000 * id;
        write_large(id, n);
        CHECK_EQ(tine__link_peek(&l, &r, &payload, &length), 0);
        CHECK_EQ(r.large, 1);
        CHECK_EQ(length, n);
        CHECK(payload[0] == (char)id && payload[n - 1] == (char)id);
        uint64_t block = tine__link_block(&r, &l);
        tine__link_next(&l);
        CHECK(payload[n / 2] == (char)id); /* good until it is released */
        tine__heap_release(l.heap, block);
    }
    close_both();
}

static void what_runs(void) {
    uint64_t id, started, before = tine__now();
    open_both();
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_IDLE);
    CHECK_EQ(tine__link_begin(&w, 7, true, tine__now()), 0);
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_RUNNING);
    CHECK_EQ(id, 7);
    CHECK_LE(before, started);
    CHECK_LE(started, tine__now());
    CHECK_EQ(tine__link_finish(&w, 7, &asked), 0);
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_FINISHED);
    CHECK_EQ(id, 7);
    CHECK_EQ(tine__link_begin(&w, 8, false, 0), 0);
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_RUNNING);
    CHECK_EQ(started, 0);
    CHECK_EQ(tine__link_finish(&w, 8, &asked), 0);
    tine__link_idle(&w);
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_IDLE);
    uint64_t last = ((uint64_t)1 << 56) - 1; /* all 56 bits */
    CHECK_EQ(tine__link_begin(&w, last, true, 0), 0);
    tine__link_running(&l, &id, &started);
    CHECK_EQ(id, last);
    close_both();
}

static void condemned(void) {
    uint64_t id, started, next;
    open_both();
    CHECK(!tine__link_condemn(&l, 0));
    CHECK_EQ(tine__link_begin(&w, 7, true, 0), 0);
    CHECK(!tine__link_condemn(&l, 6));
    CHECK(tine__link_condemn(&l, 7));
    CHECK(!tine__link_condemn(&l, 7));
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_KILLED);
    CHECK(!tine__link_stop(&l, 7, 3, &next));
    CHECK_EQ(tine__link_finish(&w, 7, &asked), TINE_EAGAIN);
    CHECK_EQ(tine__link_begin(&w, 8, false, 0), TINE_EAGAIN);
    close_both();
    open_both();
    CHECK_EQ(tine__link_begin(&w, 7, true, 0), 0);
    CHECK_EQ(tine__link_finish(&w, 7, &asked), 0);
    CHECK(!tine__link_condemn(&l, 7)); /* too late */
    CHECK_EQ(tine__link_begin(&w, 8, false, 0), 0);
    CHECK(tine__link_stop(&l, 5, 9, &next));
    CHECK(tine__link_condemn(&l, 8)); /* also a stopped one */
    CHECK_EQ(tine__link_finish(&w, 8, &asked), TINE_EAGAIN);
    close_both();
}

/* A request is for one task, and is known to its worker whenever it was in time. */
static void asked_to_end(void) {
    uint64_t id, started, next;
    open_both();
    CHECK(!tine__link_ask(&l, 0, true)); /* idle */
    CHECK_EQ(tine__link_begin(&w, 7, true, 0), 0);
    CHECK(!tine__link_ask(&l, 6, true));
    CHECK(!tine__link_ask(&l, 8, true));
    CHECK(!tine__link_asked(&w));
    CHECK(tine__link_ask(&l, 7, true));
    CHECK(tine__link_ask(&l, 7, true)); /* twice is once */
    CHECK_EQ(tine__link_asked(&w), RUN_ASKED | RUN_TIMED);
    CHECK(tine__link_ask(&l, 7, false)); /* the first decides */
    CHECK_EQ(tine__link_asked(&w), RUN_ASKED | RUN_TIMED);
    CHECK_EQ(tine__link_running(&l, &id, &started), RUN_RUNNING);
    CHECK(tine__link_stop(&l, 7, 3, &next));
    CHECK_EQ(tine__link_finish(&w, 7, &asked), 0);
    CHECK(asked);
    CHECK(!tine__link_asked(&w));
    CHECK(!tine__link_ask(&l, 7, true)); /* too late */
    CHECK_EQ(tine__link_begin(&w, 8, false, 0), TINE_ECANCELLED);
    tine__link_idle(&w);
    CHECK_EQ(tine__link_begin(&w, 9, true, 0), 0);
    CHECK(!tine__link_ask(&l, 7, true)); /* not of a later task */
    CHECK(!tine__link_asked(&w));
    CHECK_EQ(tine__link_finish(&w, 9, &asked), 0);
    CHECK(!asked);
    CHECK_EQ(tine__link_begin(&w, 10, false, 0), 0);
    CHECK(tine__link_ask(&w, 10, true)); /* by itself */
    CHECK(tine__link_condemn(&l, 10));
    CHECK(!tine__link_asked(&w));
    CHECK_EQ(tine__link_finish(&w, 10, &asked), TINE_EAGAIN);
    close_both();
}

static void stopped(void) {
    uint64_t next;
    open_both();
    CHECK(!tine__link_stop(&l, 0, 1000, &next)); /* idle */
    CHECK_EQ(tine__link_begin(&w, 10, true, 0), 0);
    CHECK(!tine__link_stop(&l, 11, 5, &next));
    CHECK(!tine__link_stop(&l, 5, 5, &next));
    CHECK(tine__link_stop(&l, 10, 3, &next));
    CHECK_EQ(next, 11);
    CHECK(tine__link_stop(&l, 10, 3, &next)); /* twice is once */
    CHECK_EQ(tine__link_finish(&w, 10, &asked), 0);
    CHECK_EQ(tine__link_begin(&w, 11, false, 0), TINE_ECANCELLED);
    tine__link_idle(&w);
    /* the flag went with the chunk */
    CHECK_EQ(tine__link_begin(&w, 20, true, 0), 0);
    CHECK_EQ(tine__link_finish(&w, 20, &asked), 0);
    CHECK_EQ(tine__link_begin(&w, 21, false, 0), 0);
    CHECK_EQ(tine__link_finish(&w, 21, &asked), 0);
    CHECK(tine__link_stop(&l, 20, 3, &next)); /* between two tasks */
    CHECK_EQ(next, 22);
    CHECK_EQ(tine__link_begin(&w, 22, false, 0), TINE_ECANCELLED);
    tine__link_idle(&w);
    close_both();
}

/* What peek says to a ring that holds `r` and a head that says `bytes`. */
static int peek_at(struct record r, uint64_t bytes) {
    const char *payload;
    uint64_t length;
    open_both();
    memcpy(l.s->ring, &r, sizeof r);
    l.s->head = head_word(bytes, 0);
    int err = tine__link_peek(&l, &r, &payload, &length);
    close_both();
    return err;
}

static void rubbish_is_told(void) {
    struct record good = {.length = 40, .kind = RECORD_ERROR};
    CHECK_EQ(peek_at(good, 64), 0);
    CHECK_EQ(peek_at(good, 48), TINE_EINVALID);
    CHECK_EQ(peek_at(good, LINK_RING + 16), TINE_EINVALID);
    CHECK_EQ(peek_at(good, -(uint64_t)16), TINE_EINVALID);
    struct record r = good;
    r.kind = RECORD_KINDS;
    CHECK_EQ(peek_at(r, 64), TINE_EINVALID);
    r = good, r.length = LINK_INLINE;
    CHECK_EQ(peek_at(r, LINK_RING), 0);
    r.length = LINK_INLINE + 1;
    CHECK_EQ(peek_at(r, LINK_RING), TINE_EINVALID);
    r.length = UINT32_MAX;
    CHECK_EQ(peek_at(r, LINK_RING), TINE_EINVALID);
    r = good, r.large = 1;
    CHECK_EQ(peek_at(r, 64), TINE_EINVALID);
    r.length = sizeof(struct record_block);
    CHECK_EQ(peek_at(r, 32), TINE_EINVALID); /* no such block */
    r = good, r.timed = 1;
    CHECK_EQ(peek_at(r, 64), TINE_EINVALID);
    CHECK_EQ(peek_at(r, 80), 0);
    r = good, r.kind = RECORD_SKIP;
    CHECK_EQ(peek_at(r, 64), TINE_EINVALID);
    r.length = LINK_RING - sizeof r;
    CHECK_EQ(peek_at(r, LINK_RING), TINE_EAGAIN);
}

static void random_rubbish(void) {
    unsigned long long seed = 11;
    struct record r;
    const char *payload;
    uint64_t length, id, started;
    volatile char sum = 0;
    for (int round = 0; round < 300; round++) {
        open_both();
        for (unsigned i = 0; i < LINK_RING; i += 16) {
            unsigned long long x = check_random(&seed);
            r = (struct record){.length = (uint32_t)(x % 80),
                                .kind = (uint16_t)(x >> 8) % 9,
                                .large = (x >> 16) % 64 == 0,
                                .timed = (x >> 24) % 4 == 0,
                                .id = x};
            memcpy(l.s->ring + i, &r, sizeof r);
        }
        l.s->directory.count = 5;
        l.s->level.running = check_random(&seed);
        for (int step = 0; step < 100; step++) {
            if (l.at == l.seen)
                l.s->head =
                    check_random(&seed) % 3
                        ? head_word(l.at + check_random(&seed) % 4096 / 16 * 16,
                                    check_random(&seed) % 3 ? l.origin
                                                            : check_random(&seed) % LINK_RING)
                        : check_random(&seed);
            if (tine__link_peek(&l, &r, &payload, &length) == 0) {
                for (uint64_t i = 0; i < length; i++)
                    sum = (char)(sum + payload[i]);
                tine__link_next(&l);
            }
            tine__link_running(&l, &id, &started);
        }
        close_both();
    }
}

int main(void) {
    records_of_all_sizes_round_the_ring();
    an_empty_ring_begins_again();
    half_full();
    large_results_come_through_the_heap();
    what_runs();
    condemned();
    asked_to_end();
    stopped();
    rubbish_is_told();
    random_rubbish();
    return 0;
}
