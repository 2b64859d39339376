/* kill [-a] [SEED]: workers die: by SIGKILL at random, and with -a (built with TINE_FAULTS) at chosen points. Whatever
** they leave, every item has exactly one ending, nothing runs twice, and nobody waits for the dead. */
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/mixed.h"
#include "ipc/bell.h"
#include "ipc/ring_one.h"
#include "ipc/link.h"
#include "ipc/queue.h"

#define WORKERS 3
#define ITEMS 8000u
#define LARGE_EVERY 16 /* every so many results go through the heap */

enum fate { OPEN, DONE, WITHDRAWN, LOST };

/* Where a worker may die; NULL: anywhere, by the submitter's hand. */
static const struct point {
    const char *name;
    unsigned often; /* passed about so many times in the life of a worker */
    bool dry;       /* put when all is done, so that workers sleep */
} points[] = {
    {NULL, 1, false},         {NULL, 1, true},
#ifdef TINE_FAULTS
    {"taken", 200, false},    {"begun", 200, false},
    {"freed", 200, false},    {"finished", 200, false},
    {"halfway", 200, false},  {"written", 200, false},
    {"allocated", 20, false}, {"half a block", 20, false},
    {"full", 2, false},       {"announced", 50, true},
    {"woken", 50, true},      {"spinning", 5, true},
    {"spun", 5, true},        {"watching", 3, true},
    {"watched", 3, true},
#endif
};
#define AT_RANDOM 2 /* the first ones */

static struct worker {
    pid_t pid;
    int pidfd;
    struct link link;
} workers[WORKERS];

static struct queue queue;
static struct bell bell;
static bool asked;        /* told of what is given back: nobody asks here */
static atomic_uchar *ran; /* shared by all: how often each item was run */
static unsigned char fate[ITEMS];
static uint64_t seq_of[ITEMS];
static unsigned sent, settled, deaths, lost;
static bool dry;
static unsigned long long seed;

/* --- the worker ---------------------------------------------------------------------------------- */

static void ring(void *arg) {
    (void)arg;
    ring_one(&bell, BELL_PRESSURE);
}

static size_t size_of(uint64_t id) {
    if (id % LARGE_EVERY == 0)
        return 20000 + id * 37 % 500000;
    return id % 3 ? id % 700 : id * 7 % LINK_INLINE;
}

static void answer(struct link *l, uint64_t id) {
    static char bytes[LINK_INLINE];
    size_t size = size_of(id);
    struct record_block b = {.length = size};
    struct record r = {.length = (uint32_t)size, .kind = RECORD_VALUES, .id = id};
    if (id % LARGE_EVERY == 0) {
        char *p = tine__heap_alloc(l->heap, size, &b.offset);
        CHECK(p);
        memset(p, (int)id, size / 2);
        KILL_POINT("half a block");
        memset(p + size / 2, (int)id, size - size / 2);
        r.length = sizeof b, r.large = 1;
    } else {
        memset(bytes, (int)id, size);
    }
    if (tine__link_finish(l, id, &asked) == 0)
        tine__link_write(l, r, r.large ? (void *)&b : bytes, ring, NULL);
}

static void work(unsigned number, struct link *own) {
    struct queue q;
    struct link l;
    const struct queue_slot *s;
    uint64_t seq;
    CHECK_EQ(tine__queue_attach(&q, tine__fd_copy(queue.calls.fd), tine__fd_copy(queue.claims.fd)),
             0);
    CHECK_EQ(tine__link_attach(&l, tine__fd_copy(own->shm.fd)), 0);
    do {
        while ((s = tine__queue_take(&q, number, &seq)) != NULL) {
            uint64_t id = s->call.id;
            CHECK_EQ(tine__link_begin(&l, id, true, 0), 0);
            CHECK(tine__queue_free(&q, number, seq, &asked));
            CHECK_EQ(atomic_fetch_add(&ran[id], 1), 0);
            answer(&l, id);
            tine__link_idle(&l);
            ring_one(&bell, tine__queue_is_low(&q) ? BELL_PRESSURE : BELL_RESULT);
        }
    } while (tine__queue_wait(&q, number, number <= 3 ? 20000 : 0, UINT64_MAX) == 0);
    _exit(0);
}

/* --- the submitter ------------------------------------------------------------------------------- */

static void start(struct worker *w, const struct point *point) {
    CHECK_EQ(tine__link_create(&w->link), 0);
    unsigned long long when = 1 + check_random(&seed) % point->often;
    if ((w->pid = fork()) == 0) {
#ifdef TINE_FAULTS
        char spec[64];
        snprintf(spec, sizeof spec, "%s:%llu", point->name ? point->name : "", when);
        if (point->name)
            CHECK(tine__kill_set(spec));
#endif
        work((unsigned)(w - workers) + 1, &w->link);
    }
    (void)when;
    CHECK(w->pid > 0);
    CHECK((w->pidfd = sys.pidfd_open(w->pid, 0)) != -1);
}

static void settle(uint64_t id, enum fate f) {
    CHECK_LE(id, ITEMS - 1);
    CHECK_EQ(fate[id], OPEN);
    fate[id] = f;
    settled++;
}

static void check_payload(const struct record *r, const char *payload, uint64_t length) {
    CHECK_EQ(length, size_of(r->id));
    for (uint64_t i = 0; i < length; i += 61)
        CHECK_EQ(payload[i], (char)r->id);
}

static unsigned drain(struct worker *w) {
    struct record r;
    const char *payload;
    uint64_t length;
    unsigned n = 0;
    for (int err; (err = tine__link_peek(&w->link, &r, &payload, &length)) != TINE_EAGAIN; n++) {
        CHECK_EQ(err, 0);
        check_payload(&r, payload, length);
        settle(r.id, DONE);
        if (r.large)
            tine__heap_release(w->link.heap, tine__link_block(&r, &w->link));
        tine__link_next(&w->link);
    }
    return n;
}

/* The item whose slot the worker has not freed. */
static bool has_taken(unsigned number, uint64_t *id) {
    unsigned owner;
    for (*id = sent; (*id)-- > 0;) /* one that was put again may be an old one */
        if (tine__queue_state(&queue, seq_of[*id], &owner) == SLOT_TAKEN && owner == number)
            return true;
    return false;
}

/* What it ran, or had taken, and sent no result for: at most one item. */
static void bury(struct worker *w, const struct point *point) {
    uint64_t id, started;
    unsigned before = lost, number = (unsigned)(w - workers) + 1;
    CHECK_EQ(waitpid(w->pid, NULL, 0), w->pid);
    drain(w);
    if (tine__link_running(&w->link, &id, &started) != RUN_IDLE && fate[id] == OPEN) {
        settle(id, LOST);
        lost++;
    }
    if (has_taken(number, &id) && fate[id] == OPEN) {
        settle(id, LOST);
        lost++;
    }
    tine__queue_bury(&queue, number);
    CHECK_LE(lost - before, 1);
    tine__link_close(&w->link);
    close(w->pidfd);
    deaths++;
    start(w, point);
}

/* Now a few, now as many as fit: workers sleep now and then, and rings run full. */
static bool fill(void) {
    unsigned before = sent, n = check_random(&seed) % 3 ? 5 : ITEMS;
    if (dry && settled < sent)
        return false;
    n = dry ? 1 : n; /* one wake-up that matters */
    for (; sent < ITEMS && sent - before < n; sent++) {
        struct queue_slot s = {.call = {.count = 1, .length = 100}};
        if (!put_mixed(&queue, &s, sent, seq_of))
            break;
        tine__queue_announce(&queue, 1, false, tine__now());
    }
    return sent > before;
}

static void withdraw_some(void) {
    for (int i = 0; i < 5; i++) {
        unsigned id = sent - 1 - (unsigned)(check_random(&seed) % (sent < 50 ? sent : 50));
        if (fate[id] == OPEN && tine__queue_withdraw(&queue, seq_of[id]))
            settle(id, WITHDRAWN);
    }
}

static bool any_pending(void) {
    for (int i = 0; i < WORKERS; i++)
        if (tine__link_pending(&workers[i].link))
            return true;
    return false;
}

/* Wait for the bell or a death (no time-out: a lost wake-up must show), and bury who died. */
static void look_around(bool wait, const struct point *point) {
    struct pollfd p[WORKERS + 1] = {{bell.fd, POLLIN, 0}};
    for (int i = 0; i < WORKERS; i++)
        p[i + 1] = (struct pollfd){workers[i].pidfd, POLLIN, 0};
    if (wait && sent < ITEMS)
        tine__queue_want_low(&queue, QUEUE_SLOTS / 4);
    if (wait)
        bell_arm(&bell, BELL_RESULT);
    wait = wait && !any_pending() && !fill();
    CHECK(poll(p, WORKERS + 1, wait ? -1 : 0) >= 0);
    bell_disarm(&bell);
    tine__bell_clear(bell.fd);
    for (int i = 0; i < WORKERS; i++)
        if (p[i + 1].revents)
            bury(&workers[i], point);
}

static void finish_all(void) {
    tine__queue_shut(&queue);
    for (int i = 0; i < WORKERS; i++) {
        CHECK_EQ(waitpid(workers[i].pid, NULL, 0), workers[i].pid);
        CHECK_EQ(drain(&workers[i]), 0);
        tine__link_close(&workers[i].link);
        close(workers[i].pidfd);
    }
}

static void every_item_ends_once(const struct point *point) {
    sent = settled = deaths = lost = 0;
    dry = point->dry;
    memset(fate, OPEN, sizeof fate);
    memset((void *)ran, 0, ITEMS);
    CHECK_EQ(tine__queue_create(&queue), 0);
    bell = (struct bell){tine__queue_bell(&queue, 0), tine__fd_event()};
    for (int i = 0; i < WORKERS; i++)
        start(&workers[i], point);
    while (settled < ITEMS) {
        bool some = check_random(&seed) % 2 && fill();
        unsigned n = 0;
        if (some && !dry)
            withdraw_some();
        for (int i = 0; i < WORKERS && settled < ITEMS; i++)
            n += check_random(&seed) % 4 ? drain(&workers[i]) : 0;
        if (!point->name &&
            check_random(&seed) % (dry ? 16 : 4) == 0) /* dry: thousands of rounds */
            kill(workers[check_random(&seed) % WORKERS].pid, SIGKILL);
        look_around(n == 0 && !some && settled < ITEMS, point);
    }
    finish_all();
    for (unsigned i = 0; i < ITEMS; i++) {
        CHECK_LE(ran[i], 1);
        if (fate[i] != LOST)
            CHECK_EQ(ran[i], fate[i] == DONE);
    }
    CHECK_LE(1, deaths);
    CHECK_LE(lost, deaths);
    printf("%s: %u deaths, %u of %u items lost\n", point->name ? point->name : "at random", deaths,
           lost, ITEMS);
    close(bell.fd);
    tine__queue_close(&queue);
}

int main(int argc, char **argv) {
    bool all = argc > 1 && !strcmp(argv[1], "-a");
    const char *number = argv[all ? 2 : 1];
    seed = number ? strtoull(number, NULL, 10) : 1;
    ran = mmap(NULL, ITEMS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(ran != MAP_FAILED);
    for (size_t i = 0; i < (all ? sizeof points / sizeof *points : AT_RANDOM); i++)
        every_item_ends_once(&points[i]);
    return 0;
}
