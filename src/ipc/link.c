#include "ipc/link.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "ipc/futex.h"
#include "ipc/link_layout.h"

/* --- both --- */

void tine__link_close(struct link *l) {
    tine__heap_destroy(l->heap);
    tine__shm_close(&l->shm);
    *l = LINK_CLOSED;
}

void tine__link_retire(struct link *l) {
    tine__heap_retire(l->heap);
    tine__close(&l->shm.fd);
}

/* --- the submitter's side --- */

int tine__link_create(struct link *l) {
    *l = LINK_CLOSED;
    int err = tine__shm_create(&l->shm, "tine-link", HEAP_START);
    if (err)
        return err;
    l->s = (struct link_shared *)l->shm.base;
    err = tine__heap_attach(&l->heap, &l->s->directory, l->shm.fd, true);
    if (err)
        tine__link_close(l);
    return err;
}

bool tine__link_pending(const struct link *l) {
    return l->at != l->seen || atomic_load_explicit(&l->s->head, memory_order_relaxed) != l->at;
}

bool tine__link_pressed(const struct link *l) {
    return atomic_load_explicit(&l->s->head, memory_order_relaxed) - l->at > LINK_RING / 2 ||
           atomic_load_explicit(&l->s->full, memory_order_relaxed) != 0;
}

/* Bytes up to the writer's head: what was seen before, or when that is used up, a new look. */
static int see_records(struct link *l) {
    if (l->at != l->seen)
        return 0;
    uint64_t head = atomic_load_explicit(&l->s->head, memory_order_acquire);
    if (head == l->at)
        return TINE_EAGAIN;
    if (head - l->at > LINK_RING || head % RECORD_ALIGN)
        return TINE_EINVALID;
    l->seen = head;
    return 0;
}

static uint64_t head_size(const struct record *r) {
    return sizeof *r + (r->timed ? sizeof(struct record_times) : 0);
}

static uint64_t record_size(const struct record *r) {
    return (head_size(r) + r->length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* Copy the head of the record at l->at and check it. Everything is judged by the copy: the bytes in
** the ring can change at any time. */
static int read_head(struct link *l, struct record *r) {
    uint64_t place = l->at % LINK_RING;
    memcpy(r, l->s->ring + place, sizeof *r);
    uint64_t size = record_size(r);
    if (r->kind >= RECORD_KINDS || size > l->seen - l->at || size > LINK_RING - place)
        return TINE_EINVALID;
    if (r->kind == RECORD_SKIP)
        return place + size == LINK_RING ? 0 : TINE_EINVALID;
    if (r->large ? r->length != sizeof(struct record_block) : r->length > LINK_INLINE)
        return TINE_EINVALID;
    return 0;
}

static int find_block(struct link *l, const char **payload, uint64_t *length) {
    struct record_block b;
    int err;
    memcpy(&b, *payload, sizeof b);
    l->block = b.offset;
    *length = b.length;
    *payload = tine__heap_at(l->heap, b.offset, b.length, &err);
    return err;
}

int tine__link_peek(struct link *l, struct record *r, const char **payload, uint64_t *length) {
    for (;;) {
        int err = see_records(l);
        if (err || (err = read_head(l, r)) != 0)
            return err;
        if (r->kind != RECORD_SKIP)
            break;
        l->at += record_size(r);
    }
    const char *place = l->s->ring + l->at % LINK_RING;
    l->after = l->at + record_size(r);
    l->times = (struct record_times){0, 0};
    if (r->timed)
        memcpy(&l->times, place + sizeof *r, sizeof l->times);
    *payload = place + head_size(r);
    *length = r->length;
    return r->large ? find_block(l, payload, length) : 0;
}

/* Tell the worker how far we are, and wake it if it waits for that. */
static void publish_tail(struct link *l) {
    /* release: we have read what lies before */
    atomic_store_explicit(&l->s->tail, l->at, memory_order_release);
    store_then_look(); /* room, then the sleeper; the sleeper: its flag, then room */
    if (!atomic_load_explicit(&l->s->full, memory_order_relaxed))
        return;
    atomic_store_explicit(&l->s->full, 0, memory_order_relaxed);
    futex_wake(&l->s->full, 1);
}

void tine__link_next(struct link *l) {
    assert(l->after - l->at <= LINK_RING);
    l->at = l->after;
    /* A batch pays for one fence and one look at `full`; who drains always gets to the end. */
    uint64_t told = atomic_load_explicit(&l->s->tail, memory_order_relaxed);
    if (l->at == l->seen || l->at - told >= LINK_RING / 4)
        publish_tail(l);
}

uint64_t tine__link_block(const struct record *r, const struct link *l) {
    assert(r->large);
    (void)r;
    return l->block;
}

/* Of one level. */
static uint64_t look(const struct link *l, unsigned level, uint64_t *started) {
    _Atomic uint64_t *running = &l->s->level[level].running;
    uint64_t word, again = atomic_load_explicit(running, memory_order_acquire);
    /* A worker notes the start before it says what it runs: when the word is the same before and
    ** after, the time belongs to it. Not for ever, if it changes all the time. */
    for (int tries = 0; tries < 100; tries++) {
        word = again;
        *started = atomic_load_explicit(&l->s->level[level].started, memory_order_acquire);
        again = atomic_load_explicit(running, memory_order_acquire);
        if (again == word)
            break;
        *started = 0;
    }
    return again;
}

enum run_state tine__link_running(const struct link *l, uint64_t *id, uint64_t *started) {
    uint64_t word = look(l, 0, started);
    *id = id_in(word);
    return state_in(word);
}

enum run_state tine__link_find(const struct link *l, uint64_t first, uint64_t count, uint64_t *id,
                               uint64_t *started) {
    for (unsigned level = 0; level < LINK_LEVELS; level++) {
        uint64_t word = look(l, level, started);
        *id = id_in(word);
        if (state_in(word) == RUN_IDLE)
            break;
        if (*id - first < count)
            return state_in(word);
    }
    *started = 0;
    return RUN_IDLE;
}

uint64_t tine__link_at(const struct link *l, unsigned level) {
    return id_in(atomic_load_explicit(&l->s->level[level].running, memory_order_acquire));
}

unsigned tine__link_levels(const struct link *l) {
    unsigned n = 0;
    while (n < LINK_LEVELS && state_in(atomic_load_explicit(&l->s->level[n].running,
                                                            memory_order_acquire)) != RUN_IDLE)
        n++;
    return n;
}

uint64_t tine__link_spent(const struct link *l) {
    return atomic_load_explicit(&l->s->spent, memory_order_relaxed);
}

#define TRIES 1000 /* it is written faster than it is read: then what was read before will do */

bool tine__link_progress(const struct link *l, uint64_t id, struct progress *out) {
    for (int i = 0; i < TRIES; i++) {
        uint32_t turn = atomic_load_explicit(&l->s->turn, memory_order_acquire);
        memcpy(out, &l->s->progress, sizeof *out);
        atomic_thread_fence(memory_order_acquire);
        if (turn % 2 == 0 && atomic_load_explicit(&l->s->turn, memory_order_relaxed) == turn)
            return out->id == id && out->length <= PROGRESS_TEXT;
    }
    return false;
}

void tine__link_inquire(struct link *l, bool want) {
    uint32_t told = atomic_load_explicit(&l->s->place_of, memory_order_relaxed);
    /* another number than the last answer's, or the same: nothing is open */
    atomic_store_explicit(&l->s->wanted, want ? told + 1 : told, memory_order_release);
}

bool tine__link_inquired(const struct link *l, uint64_t id, char *out, size_t size,
                         size_t *length) {
    uint32_t told = atomic_load_explicit(&l->s->place_of, memory_order_acquire);
    size_t n = l->s->place_length;
    if (told != atomic_load_explicit(&l->s->wanted, memory_order_relaxed) || l->s->place_id != id)
        return false;
    n = n < LINK_PLACE ? n : LINK_PLACE;
    *length = n < size ? n : size;
    memcpy(out, l->s->place, *length);
    return true;
}

/* The word decides alone, all that hangs on it is in the ring: relaxed. */
static bool swap(_Atomic uint64_t *running, uint64_t *word, uint64_t to, memory_order order) {
    return atomic_compare_exchange_weak_explicit(running, word, to, order, memory_order_relaxed);
}

/* The word of the first task in [first, first + count) on any level, and what is in it; NULL: of none. */
static _Atomic uint64_t *find_word(struct link *l, uint64_t first, uint64_t count, uint64_t *word) {
    for (unsigned level = 0; level < LINK_LEVELS; level++) {
        _Atomic uint64_t *running = &l->s->level[level].running;
        *word = atomic_load_explicit(running, memory_order_relaxed);
        if (state_in(*word) == RUN_IDLE)
            break;
        if (id_in(*word) - first < count)
            return running;
    }
    return NULL;
}

bool tine__link_condemn(struct link *l, uint64_t id) {
    uint64_t word;
    _Atomic uint64_t *running = find_word(l, id, 1, &word);
    do {
        if (!running || state_in(word) != RUN_RUNNING || id_in(word) != id)
            return false;
    } while (!swap(running, &word, with_state(word, RUN_KILLED), memory_order_relaxed));
    return true;
}

bool tine__link_ask(struct link *l, uint64_t id, bool timed) {
    uint64_t flags = RUN_ASKED | (timed ? RUN_TIMED : 0), word;
    _Atomic uint64_t *running = find_word(l, id, 1, &word);
    do {
        if (!running || state_in(word) != RUN_RUNNING || id_in(word) != id)
            return false;
    } while (!swap(running, &word, word & RUN_ASKED ? word : word | flags, memory_order_relaxed));
    link_wake_emit(l->s);
    return true;
}

bool tine__link_stop(struct link *l, uint64_t id, uint32_t count, uint64_t *next) {
    uint64_t word;
    _Atomic uint64_t *running = find_word(l, id, count, &word);
    do {
        enum run_state state = running ? state_in(word) : RUN_IDLE;
        if ((state != RUN_RUNNING && state != RUN_FINISHED) || id_in(word) - id >= count)
            return false;
    } while (!swap(running, &word, word | RUN_STOP, memory_order_relaxed));
    *next = id_in(word) + 1;
    return true;
}

/* --- the worker's side --- */

int tine__link_attach(struct link *l, int fd) {
    *l = LINK_CLOSED;
    int err = tine__shm_attach(&l->shm, fd, HEAP_START, true);
    if (err)
        return err;
    l->s = (struct link_shared *)l->shm.base;
    err = tine__heap_create(&l->heap, &l->s->directory, fd, HEAP_START);
    if (err)
        tine__link_close(l);
    return err;
}

void tine__link_set_progress(struct link *l, const struct progress *p) {
    uint32_t turn = atomic_load_explicit(&l->s->turn, memory_order_relaxed);
    atomic_store_explicit(&l->s->turn, turn + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(&l->s->progress, p, progress_size(p));
    atomic_store_explicit(&l->s->turn, turn + 2, memory_order_release);
}

void tine__link_note_spent(struct link *l) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    atomic_store_explicit(&l->s->spent, (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec,
                          memory_order_relaxed);
}

/* Of the task that runs. */
static _Atomic uint64_t *word_here(const struct link *l) {
    return &l->s->level[l->level].running;
}

bool tine__link_up(struct link *l) {
    if (l->level + 1 == LINK_LEVELS)
        return false;
    l->level++;
    return true;
}

void tine__link_down(struct link *l) {
    tine__link_idle(l);
    l->level--;
}

int tine__link_begin(struct link *l, uint64_t id, bool first, uint64_t now) {
    uint64_t word = atomic_load_explicit(word_here(l), memory_order_relaxed);
    assert(id >> 56 == 0);
    atomic_store_explicit(&l->s->level[l->level].started, now, memory_order_relaxed);
    l->first_event = l->events;
    if (first) {
        assert(state_in(word) == RUN_IDLE); /* which the submitter leaves alone */
        /* release: the start */
        atomic_store_explicit(word_here(l), word_of(id, RUN_RUNNING), memory_order_release);
        KILL_POINT("begun");
        return 0;
    }
    do {
        if (state_in(word) != RUN_FINISHED)
            return TINE_EAGAIN;
        if (word & RUN_STOP)
            return TINE_ECANCELLED;
    } while (!swap(word_here(l), &word, word_of(id, RUN_RUNNING), memory_order_release));
    KILL_POINT("begun");
    return 0;
}

void tine__link_restart(struct link *l, uint64_t now) {
    atomic_store_explicit(&l->s->level[l->level].started, now, memory_order_release);
}

unsigned tine__link_asked(const struct link *l) {
    uint64_t word = atomic_load_explicit(word_here(l), memory_order_relaxed);
    return state_in(word) == RUN_RUNNING && word & RUN_ASKED ? word & (RUN_ASKED | RUN_TIMED) : 0;
}

bool tine__link_wanted(const struct link *l) {
    return atomic_load_explicit(&l->s->wanted, memory_order_acquire) !=
           atomic_load_explicit(&l->s->place_of, memory_order_relaxed);
}

void tine__link_tell(struct link *l, const char *place, size_t length) {
    l->s->place_id = tine__link_at(l, 0); /* which is what it is said to run */
    l->s->place_length = (uint32_t)(length < LINK_PLACE ? length : LINK_PLACE);
    memcpy(l->s->place, place, l->s->place_length);
    /* release: what was told */
    atomic_store_explicit(&l->s->place_of,
                          atomic_load_explicit(&l->s->wanted, memory_order_relaxed),
                          memory_order_release);
}

int tine__link_finish(struct link *l, uint64_t id, bool *asked) {
    uint64_t word = atomic_load_explicit(word_here(l), memory_order_relaxed);
    do {
        if (state_in(word) != RUN_RUNNING || id_in(word) != id)
            return TINE_EAGAIN;
    } while (!swap(word_here(l), &word, with_state(word, RUN_FINISHED), memory_order_relaxed));
    *asked = word & RUN_ASKED;
    KILL_POINT("finished");
    return 0;
}

void tine__link_stamp(struct link *l, struct record *r, uint64_t now) {
    uint64_t started = atomic_load_explicit(&l->s->level[l->level].started, memory_order_relaxed);
    r->timed = started != 0;
    if (started)
        l->times = (struct record_times){started, now};
}

void tine__link_stamp_now(struct link *l, struct record *r) {
    uint64_t now = tine__now();
    r->timed = 1;
    l->times = (struct record_times){now, now};
}

void tine__link_idle(struct link *l) {
    atomic_store_explicit(word_here(l), word_of(0, RUN_IDLE), memory_order_release);
}

static bool has_room(struct link *l, uint64_t size) {
    if (size <= LINK_RING - (l->at - l->seen))
        return true;
    /* acquire: the reader is done with what we are going to write over */
    l->seen = atomic_load_explicit(&l->s->tail, memory_order_acquire);
    return size <= LINK_RING - (l->at - l->seen);
}

static void wait_for_room(struct link *l, uint64_t size, void (*ring)(void *arg), void *arg) {
    while (!has_room(l, size)) {
        atomic_store_explicit(&l->s->full, 1, memory_order_relaxed);
        store_then_look();
        KILL_POINT("full");
        if (has_room(l, size))
            break;
        ring(arg);
        futex_wait(&l->s->full, 1);
    }
    atomic_store_explicit(&l->s->full, 0, memory_order_relaxed);
}

static void put_record(struct link *l, const struct record *head, const void *payload) {
    char *place = l->s->ring + l->at % LINK_RING;
    memcpy(place, head, sizeof *head);
    if (head->timed)
        memcpy(place + sizeof *head, &l->times, sizeof l->times);
    if (head->length > 0 && payload)
        memcpy(place + head_size(head), payload, head->length);
    l->at += record_size(head);
}

void tine__link_write(struct link *l, const struct record *head, const void *payload,
                      void (*ring)(void *arg), void *arg) {
    uint64_t size = record_size(head), left = LINK_RING - l->at % LINK_RING;
    uint64_t skip = left < size ? left : 0;
    assert(head->length <= LINK_INLINE);
    if (!has_room(l, skip + size))
        wait_for_room(l, skip + size, ring, arg);
    if (skip) {
        struct record filler = {.length = (uint32_t)(skip - sizeof filler), .kind = RECORD_SKIP};
        put_record(l, &filler, NULL);
    }
    put_record(l, head, payload);
    KILL_POINT("halfway");
    /* release: the bytes; and SKIP with what follows it, so the reader never waits behind one */
    atomic_store_explicit(&l->s->head, l->at, memory_order_release);
    KILL_POINT("written");
}

bool tine__link_half_full(const struct link *l) {
    return l->at - l->seen > LINK_RING / 2 &&
           l->at - atomic_load_explicit(&l->s->tail, memory_order_relaxed) > LINK_RING / 2;
}
