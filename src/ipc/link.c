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

/* --- both sides --- */

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

/* The running word of one level, and when that task started. */
static uint64_t look(const struct link *l, unsigned level, uint64_t *started) {
    _Atomic uint64_t *running = &level_of(l, level)->running;
    uint64_t word, again = atomic_load_explicit(running, memory_order_acquire);
    /* A worker notes the start before the word: if the word is the same before and after, the time
    ** belongs to it. Give up at last if the word keeps changing. */
    for (int tries = 0; tries < 100; tries++) {
        word = again;
        *started = atomic_load_explicit(&level_of(l, level)->started, memory_order_acquire);
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

bool tine__link_attached(const struct link *l) {
    return atomic_load_explicit(&l->s->attached, memory_order_relaxed) != 0;
}

uint64_t tine__link_at(const struct link *l, unsigned level) {
    return id_in(atomic_load_explicit(&level_of(l, level)->running, memory_order_acquire));
}

unsigned tine__link_levels(const struct link *l) {
    unsigned n = 0;
    while (n < LINK_LEVELS && state_in(atomic_load_explicit(&level_of(l, n)->running,
                                                            memory_order_acquire)) != RUN_IDLE)
        n++;
    return n;
}

uint64_t tine__link_spent(const struct link *l) {
    return atomic_load_explicit(&l->s->spent, memory_order_relaxed);
}

#define TRIES 1000 /* the worker writes faster than we can read: give up */

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
    /* any number but that of the last answer is an open question */
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

/* relaxed: the word alone decides; everything else goes through the ring */
static bool swap(_Atomic uint64_t *running, uint64_t *word, uint64_t to, memory_order order) {
    return atomic_compare_exchange_weak_explicit(running, word, to, order, memory_order_relaxed);
}

/* The word of the first task in [first, first + count) on any level, and its value;
** NULL: none of them runs. */
static _Atomic uint64_t *find_word(struct link *l, uint64_t first, uint64_t count, uint64_t *word) {
    for (unsigned level = 0; level < LINK_LEVELS; level++) {
        _Atomic uint64_t *running = &level_of(l, level)->running;
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
    else
        atomic_store_explicit(&l->s->attached, 1, memory_order_relaxed);
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

/* The word of the running task. */
static _Atomic uint64_t *word_here(const struct link *l) {
    return &level_of(l, l->level)->running;
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
    atomic_store_explicit(&level_of(l, l->level)->started, now, memory_order_relaxed);
    l->first_event = l->events;
    l->gap = 0;
    if (first) {
        assert(state_in(word) == RUN_IDLE); /* the submitter does not touch an IDLE word */
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
    atomic_store_explicit(&level_of(l, l->level)->started, now, memory_order_release);
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
    l->s->place_id = tine__link_at(l, 0); /* the pool asks about the lowest level */
    l->s->place_length = (uint32_t)(length < LINK_PLACE ? length : LINK_PLACE);
    memcpy(l->s->place, place, l->s->place_length);
    /* release: place, its length and its task */
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
    uint64_t started = atomic_load_explicit(&level_of(l, l->level)->started, memory_order_relaxed);
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
