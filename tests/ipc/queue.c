/* The call queue, one thread: every edge that needs no luck. */
#include "base/fd.h"
#include "ipc/queue.h"

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "check.h"
#include "ipc/places.h"
#include "ipc/queue_layout.h"

static struct queue q, w; /* the two sides */

static bool asked;

static void open_both(void) {
    CHECK_EQ(tine__queue_create(&q), 0);
    CHECK_EQ(tine__queue_attach(&w, tine__fd_copy(q.calls.fd), tine__fd_copy(q.claims.fd)), 0);
}

static void close_both(void) {
    tine__queue_close(&w);
    tine__queue_close(&q);
    tine__queue_close(&q);
}

/* What a worker does just before it sleeps. */
static void announce_sleeper(unsigned worker) {
    w.k->wake[worker] = 0;
    w.k->sleepers[worker / 64] |= (uint64_t)1 << worker % 64;
    w.k->groups |= (uint64_t)1 << worker / 64;
}

static struct queue_slot item(uint64_t id) {
    struct queue_slot s = {.call = {.id = id, .count = 1, .length = 8, .ref = (uint32_t)id + 1000}};
    memcpy(s.bytes, &id, sizeof id);
    return s;
}

static uint64_t put_as(uint64_t id, uint64_t label) {
    struct queue_slot s = item(id);
    uint64_t seq;
    CHECK_EQ(tine__queue_put(&q, &s.call, s.bytes, label, &seq, NULL), 0);
    return seq;
}

/* Behind all others. */
static uint64_t put(uint64_t id) {
    static uint64_t label = UINT64_C(1) << 32;
    return put_as(id, label++);
}

static enum slot_state state(uint64_t seq) {
    unsigned worker;
    return tine__queue_state(&q, seq, &worker);
}

static unsigned owner(uint64_t seq) {
    unsigned worker;
    tine__queue_state(&q, seq, &worker);
    return worker;
}

static void take_expecting(unsigned worker, uint64_t id) {
    uint64_t seq, copy;
    const struct queue_slot *s = tine__queue_take(&w, worker, &seq);
    CHECK(s);
    CHECK_EQ(s->call.id, id);
    memcpy(&copy, s->bytes, sizeof copy);
    CHECK_EQ(copy, id);
    CHECK_EQ(state(seq), SLOT_TAKEN);
    CHECK(tine__queue_free(&w, worker, seq, &asked));
    CHECK_EQ(state(seq), SLOT_FREE);
    CHECK_EQ(owner(seq), worker); /* as long as the slot is not used again */
}

static bool nothing_to_take(void) {
    uint64_t seq;
    return !tine__queue_take(&w, 1, &seq);
}

static bool is_full(void) {
    struct queue_slot s = item(0);
    uint64_t seq;
    return tine__queue_put(&q, &s.call, s.bytes, 0, &seq, NULL) == TINE_EAGAIN;
}

static void items_come_in_order_over_many_rounds(void) {
    open_both();
    CHECK(nothing_to_take());
    CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), 0);
    for (uint64_t id = 1; id < UINT64_C(5) * QUEUE_SLOTS; id += 3) {
        for (int i = 0; i < 3; i++)
            put(id + (uint64_t)i);
        CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), 3);
        for (int i = 0; i < 3; i++)
            take_expecting(1 + id % 4000, id + (uint64_t)i);
        CHECK(nothing_to_take());
    }
    close_both();
}

static void full_until_a_slot_is_freed(void) {
    uint64_t seq;
    open_both();
    for (unsigned i = 0; i < QUEUE_SLOTS; i++)
        put(i);
    CHECK(is_full());
    CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), QUEUE_SLOTS);
    CHECK(tine__queue_take(&w, 1, &seq));
    CHECK(is_full()); /* taken, but its bytes may still be read */
    CHECK(tine__queue_free(&w, 1, seq, &asked));
    put(QUEUE_SLOTS);
    CHECK(is_full());
    for (unsigned i = 1; i <= QUEUE_SLOTS; i++)
        take_expecting(2, i);
    CHECK(nothing_to_take());
    close_both();
}

static void withdrawn_items_are_skipped(void) {
    open_both();
    uint64_t a = put(1), b = put(2), c = put(3), d = put(4);
    CHECK(tine__queue_withdraw(&q, a));
    CHECK(!tine__queue_withdraw(&q, a));
    CHECK(tine__queue_withdraw(&q, c));
    CHECK_EQ(state(c), SLOT_FREE);
    CHECK_EQ(state(b), SLOT_READY);
    CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), 2);
    take_expecting(1, 2);
    CHECK(!tine__queue_withdraw(&q, b));
    CHECK(tine__queue_withdraw(&q, d));
    CHECK(nothing_to_take());
    put(5);
    take_expecting(1, 5);
    /* a number of an earlier round names nobody */
    for (unsigned i = 0; i < QUEUE_SLOTS; i++)
        put(i);
    CHECK(!tine__queue_withdraw(&q, a));
    CHECK_EQ(state(a), SLOT_FREE);
    close_both();
}

static void a_worker_that_was_away_catches_up(void) {
    struct queue late;
    open_both();
    CHECK_EQ(tine__queue_attach(&late, tine__fd_copy(q.calls.fd), tine__fd_copy(q.claims.fd)), 0);
    for (uint64_t i = 0; i < 10 * QUEUE_SLOTS + 7; i++) {
        put(i);
        take_expecting(1, i);
    }
    put(42);
    uint64_t seq;
    const struct queue_slot *s = tine__queue_take(&late, 2, &seq);
    CHECK(s && s->call.id == 42);
    tine__queue_free(&late, 2, seq, &asked);
    CHECK(nothing_to_take());
    tine__queue_close(&late);
    /* one that comes new finds items that lie there since before, behind taken ones */
    uint64_t old = put(43);
    for (unsigned i = 1; i < QUEUE_SLOTS; i++)
        CHECK(tine__queue_withdraw(&q, put(i)));
    CHECK_EQ(tine__queue_attach(&late, tine__fd_copy(q.calls.fd), tine__fd_copy(q.claims.fd)), 0);
    s = tine__queue_take(&late, 2, &seq);
    CHECK(s && s->call.id == 43 && seq == old);
    tine__queue_close(&late);
    close_both();
}

static void the_dead_are_buried_with_their_slot(void) {
    uint64_t taken;
    open_both();
    tine__queue_bury(&q, 7);
    put(1), put(2);
    CHECK(tine__queue_take(&w, 7, &taken));
    take_expecting(8, 2);
    CHECK_EQ(state(taken), SLOT_TAKEN);
    CHECK_EQ(owner(taken), 7);
    tine__queue_bury(&q, 8); /* freed it */
    CHECK_EQ(state(taken), SLOT_TAKEN);
    tine__queue_bury(&q, 7);
    CHECK_EQ(state(taken), SLOT_FREE);
    CHECK_EQ(owner(taken), 7);
    /* died asleep: nobody is woken in its place */
    announce_sleeper(7);
    tine__queue_bury(&q, 7);
    CHECK(!tine__queue_wake(&q));
    /* died with the wake-up that was meant for an item: the next sleeper gets it */
    announce_sleeper(7), announce_sleeper(8);
    put(3);
    CHECK(tine__queue_wake(&q));
    CHECK_EQ(q.k->wake[7], 1);
    CHECK_EQ(q.k->wake[8], 0);
    tine__queue_bury(&q, 7);
    CHECK_EQ(q.k->wake[8], 1);
    close_both();
}

/* A task that was just taken is asked to end: its worker hears of it when it has said what it runs. */
static void asked_before_it_has_freed_its_slot(void) {
    uint64_t seq;
    unsigned worker;
    open_both();
    uint64_t a = put(1);
    CHECK(!tine__queue_ask(&q, a, 5)); /* nobody has it */
    CHECK(tine__queue_take(&w, 5, &seq));
    CHECK(!tine__queue_ask(&q, a, 6));
    CHECK(tine__queue_ask(&q, a, 5));
    CHECK(tine__queue_ask(&q, a, 5)); /* twice is once */
    CHECK_EQ(tine__queue_state(&q, a, &worker), SLOT_TAKEN);
    CHECK_EQ(worker, 5);
    CHECK(tine__queue_free(&w, 5, seq, &asked));
    CHECK(asked);
    CHECK(!tine__queue_ask(&q, a, 5)); /* too late */
    a = put(2);
    CHECK(tine__queue_take(&w, 5, &seq));
    CHECK(tine__queue_ask(&q, a, 5));
    CHECK(tine__queue_condemn(&q, a, 5)); /* its time is over */
    CHECK(!tine__queue_free(&w, 5, seq, &asked));
    put(3);
    CHECK(tine__queue_take(&w, 5, &seq));
    CHECK(tine__queue_free(&w, 5, seq, &asked));
    CHECK(!asked);
    close_both();
}

/* Who looks at a worker knows which task it has before that has said so. */
static void held_until_its_slot_is_free(void) {
    uint64_t seq;
    open_both();
    put(1);
    CHECK(!tine__queue_held(&q, 5));
    const struct queue_slot *slot = tine__queue_take(&w, 5, &seq);
    CHECK(slot);
    CHECK(tine__queue_held(&q, 5));
    CHECK_EQ(tine__queue_held(&q, 5)->call.id, slot->call.id);
    CHECK(!tine__queue_held(&q, 6));
    CHECK(tine__queue_free(&w, 5, seq, &asked));
    CHECK(!tine__queue_held(&q, 5));
    close_both();
}

/* The submitter ends a task that was just taken: its worker has not said so yet, and never does. */
static void condemned_before_it_has_freed_its_slot(void) {
    uint64_t seq;
    open_both();
    uint64_t a = put(1);
    CHECK(!tine__queue_condemn(&q, a, 5)); /* nobody has it */
    CHECK(tine__queue_take(&w, 5, &seq));
    CHECK(!tine__queue_condemn(&q, a, 6));
    CHECK(tine__queue_condemn(&q, a, 5));
    CHECK(!tine__queue_condemn(&q, a, 5));
    CHECK(!tine__queue_free(&w, 5, seq, &asked)); /* it learns of it */
    CHECK_EQ(owner(a), 5);
    put(2);
    CHECK(tine__queue_take(&w, 5, &seq));
    CHECK(tine__queue_free(&w, 5, seq, &asked)); /* too late */
    CHECK(!tine__queue_condemn(&q, seq, 5));
    close_both();
}

/* A condemned worker may be in the midst of reading: nothing else is written there while it lives. */
static void the_place_of_the_condemned_is_kept(void) {
    uint64_t seq;
    open_both();
    put(1);
    const struct queue_slot *slot = tine__queue_take(&w, 5, &seq);
    CHECK(tine__queue_condemn(&q, seq, 5));
    for (uint64_t i = 2; i < UINT64_C(3) * QUEUE_SLOTS; i++) {
        put(i);
        take_expecting(6, i);
        CHECK_EQ(slot->call.id, 1);
    }
    tine__queue_bury(&q, 6);
    for (uint64_t i = 2; i < UINT64_C(3) * QUEUE_SLOTS; i++) {
        put(i);
        take_expecting(6, i);
        CHECK_EQ(slot->call.id, 1);
    }
    tine__queue_bury(&q, 5);
    for (unsigned i = 2; i < QUEUE_SLOTS + 2; i++)
        put(i);
    CHECK(is_full());
    CHECK(slot->call.id != 1);
    close_both();
}

/* So a queue that is short touches little of its memory. */
static void the_place_that_was_left_last_is_taken_first(void) {
    open_both();
    for (uint64_t i = 0; i < UINT64_C(3) * QUEUE_SLOTS; i += 3) {
        for (uint64_t k = 0; k < 3; k++)
            CHECK_LE((char *)tine__queue_slot(&q, put(i + k)) - (char *)q.c->small, 256);
        for (uint64_t k = 0; k < 3; k++)
            take_expecting(1, i + k);
    }
    close_both();
}

/* Calls of all lengths lie side by side. */
static void slots_of_both_sizes(void) {
    struct queue_slot s = item(1);
    uint64_t seq;
    open_both();
    for (uint64_t round = 0; round < UINT64_C(3) * QUEUE_SLOTS; round += 6) {
        for (uint64_t i = round; i < round + 6; i++) {
            s.call.id = i;
            s.call.length = i * 37 % (CALL_INLINE + 1);
            memset(s.bytes, (int)i, CALL_INLINE);
            CHECK_EQ(tine__queue_put(&q, &s.call, s.bytes, 0, &seq, NULL), 0);
        }
        for (uint64_t i = round; i < round + 6; i++) {
            const struct queue_slot *got = tine__queue_take(&w, 1, &seq);
            CHECK_EQ(got->call.id, i);
            for (uint64_t k = 0; k < got->call.length; k++)
                CHECK_EQ(got->bytes[k], (char)i);
            CHECK(tine__queue_free(&w, 1, seq, &asked));
        }
    }
    close_both();
}

static void who_had_a_slot_is_told_before_it_is_used_again(void) {
    struct queue_past past;
    uint64_t next;
    open_both();
    uint64_t first = put(77);
    take_expecting(3, 77);
    for (unsigned i = 1; i < QUEUE_SLOTS; i++)
        CHECK(tine__queue_withdraw(&q, put(i)));
    struct queue_slot s = item(5);
    CHECK_EQ(tine__queue_put(&q, &s.call, s.bytes, 0, &next, &past), 0);
    CHECK_EQ(past.seq, first);
    CHECK_EQ(past.ref, 1077);
    CHECK_EQ(past.worker, 3);
    CHECK_EQ(owner(first), 0);
    close_both();
}

/* Whatever the order in which items are put, withdrawn, and taken by two workers: each takes the
** READY item of the lowest label, and one that takes none finds none. There are more items than a
** worker remembers. */
static void items_are_taken_in_the_order_of_their_labels(void) {
    enum { MOST = 5 * QUEUE_NEXT };
    uint64_t seqs[MOST], labels[MOST], seq;
    unsigned long long seed = 7;
    unsigned n = 0;
    struct queue other;
    open_both();
    CHECK_EQ(tine__queue_attach(&other, tine__fd_copy(q.calls.fd), tine__fd_copy(q.claims.fd)), 0);
    for (unsigned round = 0; round < 40 * QUEUE_SLOTS; round++) {
        uint64_t r = check_random(&seed);
        unsigned lowest = 0, which = n ? (unsigned)(r >> 8) % n : 0;
        struct queue *worker = r >> 41 & 1 ? &other : &w;
        bool rising = r >> 40 & 1; /* like the items of a pool with one priority */
        if (r % 8 < 4 && n < MOST) {
            labels[n] =
                rising ? (UINT64_C(1) << 32) + round : (r >> 44) * QUEUE_SLOTS + round % 1000;
            seqs[n] = put_as(labels[n], labels[n]);
            n++;
            continue;
        }
        if (n == 0) {
            CHECK(nothing_to_take());
            continue;
        }
        CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), n);
        if (r % 8 == 7) {
            CHECK(tine__queue_withdraw(&q, seqs[which]));
            lowest = which;
        } else {
            for (unsigned i = 1; i < n; i++)
                lowest = labels[i] < labels[lowest] ? i : lowest;
            const struct queue_slot *s = tine__queue_take(worker, 1, &seq);
            CHECK_EQ(s->call.id, labels[lowest]);
            CHECK_EQ(seq, seqs[lowest]);
            CHECK(tine__queue_free(worker, 1, seq, &asked));
        }
        n--;
        seqs[lowest] = seqs[n];
        labels[lowest] = labels[n];
    }
    tine__queue_close(&other);
    close_both();
}

/* A worker does not look at an item that is not put yet, and so cannot miss it when it is. */
static void an_item_in_the_making_is_seen_when_it_is_put(void) {
    open_both();
    put_as(1, 10);
    put_as(2, 5);
    uint64_t half = put_as(3, 3), word = *state_of(&q, half);
    *state_of(&q, half) = word_of(half - QUEUE_SLOTS, 0, SLOT_FREE);
    take_expecting(1, 2);
    *state_of(&q, half) = word;
    take_expecting(1, 3);
    take_expecting(1, 1);
    CHECK(nothing_to_take());
    close_both();
}

/* An item that is always overtaken would be the first of ever more that workers look at, until there
** are no more sequence numbers. It is put again, keeps its bytes, and is taken when its time comes. */
static void an_old_item_does_not_hold_up_the_queue(void) {
    struct queue_past past;
    uint64_t next = 10, old, renewed = 0, seq;
    uint32_t ref;
    open_both();
    CHECK(!tine__queue_renew(&q, &ref, &seq, &past));
    old = put_as(1, UINT64_MAX);
    for (; next < 10 + 3 * QUEUE_SLOTS; next++) {
        put_as(next, next);
        CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), 2);
        if (tine__queue_renew(&q, &ref, &seq, &past)) {
            CHECK_EQ(state(old), SLOT_FREE);
            CHECK_EQ(ref, 1001);
            old = seq;
            renewed++;
        }
        CHECK_EQ(state(old), SLOT_READY);
        take_expecting(2, next);
    }
    CHECK_LE(3, renewed);
    CHECK_LE(renewed, 5);
    take_expecting(1, 1);
    CHECK_EQ(owner(old), 1);
    close_both();
}

/* Items behind which others were taken count, and not the numbers between them. */
static void few_are_left_behind_those_that_overtook(void) {
    open_both();
    put_as(1, 1000);
    for (uint64_t id = 2; id < 100; id++)
        put_as(id, id);
    for (uint64_t id = 2; id < 100; id++) {
        CHECK_EQ(tine__queue_want_low(&q, 10), id >= 91);
        take_expecting(1, id);
        CHECK_EQ(tine__queue_is_low(&w), id >= 90);
    }
    close_both();
}

static void each_sleep_is_ended_once(void) {
    static const unsigned workers[] = {1, 63, 64, 65, 4095};
    open_both();
    CHECK(!tine__queue_wake(&q));
    for (int i = 0; i < 5; i++)
        announce_sleeper(workers[i]);
    for (int i = 0; i < 5; i++) {
        CHECK(tine__queue_wake(&q));
        CHECK_EQ(q.k->wake[workers[i]], 1);
    }
    CHECK(!tine__queue_wake(&q));
    for (int i = 0; i < 5; i++)
        announce_sleeper(workers[i]);
    tine__queue_wake_all(&q);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(q.k->wake[workers[i]], 1);
    CHECK(!tine__queue_wake(&q));
    close_both();
}

/* When each that was dismissed woke all the others, a pool of 512 idle workers took half a minute to
** become one of four. */
static void who_is_dismissed_is_woken_alone(void) {
    open_both();
    for (unsigned i = 62; i < 67; i++)
        announce_sleeper(i);
    tine__queue_dismiss(&q, 64);
    CHECK_EQ(q.k->wake[64], 1);
    CHECK_EQ(q.k->wake[62] + q.k->wake[63] + q.k->wake[65] + q.k->wake[66], 0);
    CHECK_EQ(q.k->coming[0].worker, 0); /* no item is left to it */
    CHECK(tine__queue_told(&w));
    CHECK(tine__queue_is_dismissed(&w, 64));
    tine__queue_dismiss(&q, 5); /* which does not sleep */
    CHECK_EQ(q.k->wake[5], 0);
    tine__queue_wake_all(&q);
    CHECK_EQ(q.k->wake[62] + q.k->wake[63] + q.k->wake[65] + q.k->wake[66], 4);
    close_both();
}

#define NOBODY INT64_MIN

/* In seat 0 worker 1 spins, in seat 1 worker 2, which have looked so many ns ago. */
static void spin(int64_t since_0, int64_t since_1) {
    const int64_t since[] = {since_0, since_1};
    for (unsigned i = 0; i < QUEUE_SPINNERS; i++) {
        w.k->spinner[i].worker = since[i] == NOBODY ? 0 : i + 1;
        w.k->spinner[i].beat = tine__now() - (uint64_t)since[i];
    }
}

static unsigned woken_for(unsigned n) {
    unsigned woken = 0;
    for (unsigned i = 5; i < 10; i++)
        announce_sleeper(i);
    tine__queue_announce(&q, n, false, tine__now());
    for (unsigned i = 5; i < 10; i++) {
        woken += q.k->wake[i];
        tine__queue_forget(&q, i);
    }
    return woken;
}

/* So many of five sleepers are woken for `n` items; once at least, for we may be kept from the processor meanwhile. */
static bool are_woken(unsigned woken, unsigned n, int64_t since_0, int64_t since_1) {
    for (int tries = 0; tries < 10000; tries++) {
        spin(since_0, since_1);
        if (woken_for(n) == woken)
            return true;
    }
    return false;
}

static void nobody_is_woken_for_what_a_spinner_takes(void) {
    const int64_t late = 1000000000;
    open_both();
    CHECK(are_woken(1, 1, NOBODY, NOBODY));
    CHECK(are_woken(3, 3, NOBODY, NOBODY));
    CHECK(are_woken(5, 100, NOBODY, NOBODY));
    CHECK(are_woken(0, 1, 0, NOBODY));
    CHECK(are_woken(2, 3, NOBODY, 0));
    CHECK(are_woken(1, 3, 0, 0));
    /* one that was stopped is not waited for, nor one that says that it has looked in times to come */
    CHECK(are_woken(1, 1, late, NOBODY));
    CHECK(are_woken(1, 2, late, 0));
    CHECK(are_woken(1, 1, -late, NOBODY));
    spin(0, 0);
    tine__queue_bury(&q, 1);
    tine__queue_bury(&q, 2);
    CHECK_EQ(q.k->spinner[0].worker, 0);
    CHECK_EQ(q.k->spinner[1].worker, 0);
    close_both();
}

/* Workers 3 and 4 were woken so many ns ago: how many are, beside them, when one item more is announced? */
static unsigned woken_beside_two_that_come(uint64_t third, uint64_t fourth) {
    q.k->coming[0].worker = 3;
    q.k->coming[0].beat = tine__now() - third;
    q.k->coming[1].worker = 4;
    q.k->coming[1].beat = tine__now() - fourth;
    return woken_for(1);
}

/* They pass on what they find. Were each item to wake another one, a stream of small tasks would wake all that sleep before
** the first is there. One does not count: when it was stopped as it slept, a burst of tasks lay there, beside workers that
** slept, until the program waited for them. */
static void nobody_is_woken_while_two_come(void) {
    bool once = false;
    open_both();
    for (int tries = 0; tries < 10000 && !once; tries++) /* we may be kept from the processor */
        once = woken_beside_two_that_come(0, 0) == 0;
    CHECK(once);
    CHECK_EQ(woken_beside_two_that_come(0, 1000000000), 1);
    CHECK_EQ(woken_beside_two_that_come(1000000000, 0), 1);
    q.k->coming[0].worker = q.k->coming[1].worker = 4;
    tine__queue_bury(&q, 4);
    CHECK_EQ(q.k->coming[0].worker + q.k->coming[1].worker, 0);
    close_both();
}

/* Another one is woken for what was left to who has not come; it will pass on the rest. */
static void not_all_are_woken_for_what_was_left(void) {
    open_both();
    for (unsigned i = 0; i < 5; i++)
        put(i), announce_sleeper(5 + i);
    tine__queue_announce(&q, 1, true, tine__now());
    CHECK_EQ(q.k->coming[0].worker, 5);
    CHECK_EQ(q.k->coming[1].worker, 6);
    CHECK(tine__queue_wake(&q)); /* the next has the seat of who was woken first */
    CHECK_EQ(q.k->coming[0].worker, 7);
    q.k->wake[7] = 0;
    CHECK_EQ(q.k->wake[5] + q.k->wake[6], 2);
    CHECK_EQ(q.k->wake[7] + q.k->wake[8] + q.k->wake[9], 0);
    close_both();
}

static void *wait_as_3(void *arg) {
    (void)arg;
    CHECK_EQ(tine__queue_wait(&w, 3, 0, UINT64_MAX), 0);
    return NULL;
}

static void who_comes_wakes_the_next(void) {
    pthread_t t;
    open_both();
    announce_sleeper(5);
    CHECK_EQ(pthread_create(&t, NULL, wait_as_3, NULL), 0);
    while (!(q.k->sleepers[0] & 1u << 3))
        ;
    put(1), put(2);
    tine__queue_announce(&q, 1, false, tine__now()); /* wakes worker 3 */
    pthread_join(t, NULL);
    CHECK_EQ(q.k->coming[0].worker, 5);
    CHECK_EQ(q.k->wake[5], 1);
    close_both();
}

static void *spin_as_3(void *arg) {
    (void)arg;
    CHECK_EQ(tine__queue_wait(&w, 3, UINT64_C(3600000000000), UINT64_MAX), 0);
    return NULL;
}

/* Two that spin were stopped: another one takes a seat of theirs. */
static void a_seat_is_lost_by_who_does_not_look(void) {
    pthread_t t;
    open_both();
    spin(1000000000, 1000000000);
    CHECK_EQ(pthread_create(&t, NULL, spin_as_3, NULL), 0);
    while (atomic_load(&q.k->spinner[0].worker) != 3)
        ;
    CHECK_EQ(q.k->spinner[1].worker, 2);
    atomic_store(&q.k->spinner[0].worker, 9); /* as it loses it again, it goes to sleep */
    while (!(atomic_load(&q.k->sleepers[0]) & 1u << 3))
        ;
    put(1);
    CHECK(tine__queue_wake(&q));
    pthread_join(t, NULL);
    close_both();
}

/* Worker 4 has the watcher's seat, and looks in so many ns. */
static bool is_watched(int64_t in) {
    w.k->watcher.worker = 4;
    w.k->watcher.until = tine__now() + (uint64_t)in;
    return woken_for(3) == 0;
}

/* Once at least, for we may be kept from the processor meanwhile. */
static bool is_watched_once(int64_t in) {
    bool once = false;
    for (int tries = 0; tries < 10000 && !once; tries++)
        once = is_watched(in);
    return once;
}

static void nobody_is_woken_beside_a_watcher(void) {
    open_both();
    CHECK_EQ(woken_for(3), 3);
    CHECK(is_watched_once(QUEUE_WATCH));
    CHECK(is_watched_once(0));
    /* one that was stopped is not waited for, nor one that says that it would sleep for long */
    CHECK(!is_watched(-1000000000));
    CHECK(!is_watched(1000000000));
    tine__queue_bury(&q, 4);
    CHECK_EQ(q.k->watcher.worker, 0);
    CHECK_EQ(woken_for(3), 3);
    close_both();
}

static void *wait_as_4(void *arg) {
    (void)arg;
    do {
        w.brief = 2; /* it was woken again and again as soon as it slept */
        CHECK_EQ(tine__queue_wait(&w, 4, 0, UINT64_MAX), 0);
    } while (tine__queue_ready(&w, QUEUE_SLOTS) == 0);
    return NULL;
}

/* Others, who are busy for long, do not take them: the watcher does, and has others take what is left. */
static void the_watcher_helps_where_items_lie(void) {
    for (unsigned n = 1; n <= 6; n++) {
        pthread_t t;
        open_both();
        CHECK_EQ(pthread_create(&t, NULL, wait_as_4, NULL), 0);
        while (!atomic_load(&q.k->watcher.worker))
            tine__queue_wake(&q);
        announce_sleeper(5), announce_sleeper(6);
        for (unsigned i = 0; i < n; i++) {
            put(i);
            tine__queue_announce(&q, 1, false, tine__now());
        }
        pthread_join(t, NULL);
        CHECK_EQ(q.k->watcher.worker, 0);
        CHECK(q.k->wake[5] || n < 2);
        CHECK(q.k->wake[6] || n < 3 || q.k->coming[0].worker == 5); /* which wakes it */
        close_both();
    }
}

static void shut_lets_what_is_there_be_taken(void) {
    open_both();
    put(1);
    CHECK_EQ(tine__queue_wait(&w, 1, 0, UINT64_MAX), 0);
    tine__queue_shut(&q);
    CHECK_EQ(tine__queue_wait(&w, 1, 50000, UINT64_MAX), 0);
    take_expecting(1, 1);
    CHECK_EQ(tine__queue_wait(&w, 1, 0, UINT64_MAX), TINE_ESHUTDOWN);
    CHECK_EQ(tine__queue_wait(&w, 1, 50000, UINT64_MAX), TINE_ESHUTDOWN);
    CHECK(!tine__queue_wake(&q)); /* nobody is left announced */
    close_both();
}

static void low_is_told_once_for_each_wish(void) {
    open_both();
    for (unsigned i = 0; i < QUEUE_SLOTS; i++)
        put(i);
    take_expecting(1, 0);
    CHECK(!tine__queue_is_low(&w));
    CHECK(!tine__queue_want_low(&q, QUEUE_SLOTS / 4));
    unsigned i = 1;
    for (; !tine__queue_is_low(&w); i++)
        take_expecting(1, i);
    CHECK_EQ(QUEUE_SLOTS - i, QUEUE_SLOTS / 4);
    CHECK(!tine__queue_is_low(&w));
    CHECK(tine__queue_want_low(&q, QUEUE_SLOTS / 4)); /* it is so already */
    CHECK(tine__queue_is_low(&w));
    /* what was withdrawn does not count as left */
    uint64_t seqs[QUEUE_SLOTS];
    for (; i < QUEUE_SLOTS; i++)
        take_expecting(1, i);
    for (i = 0; i < QUEUE_SLOTS / 2; i++)
        seqs[i] = put(i);
    CHECK(!tine__queue_want_low(&q, QUEUE_SLOTS / 4));
    CHECK(!tine__queue_is_low(&w));
    for (i = 0; i < QUEUE_SLOTS / 2; i++)
        CHECK(tine__queue_withdraw(&q, seqs[i]));
    CHECK(tine__queue_is_low(&w));
    close_both();
}

static void take_overtaking(void) {
    put_as(1, 2);
    put_as(2, 1);
    take_expecting(1, 2);
    take_expecting(1, 1);
}

/* The words have 40 bits of the number, the submitter counts 64. */
static void numbers_wrap(void) {
    open_both();
    take_overtaking();
    uint64_t start = ((uint64_t)1 << 40) - 5 * QUEUE_SLOTS / 2;
    for (uint64_t seq = start - QUEUE_SLOTS; seq != start; seq++)
        q.k->state[seq % QUEUE_SLOTS] = word_of(seq, 0, SLOT_FREE);
    q.c->tail = q.from = q.places->left = start;
    w.from = start - QUEUE_SLOTS;
    take_overtaking(); /* the worker does not begin where it looked last */
    for (uint64_t i = 2; i < UINT64_C(5) * QUEUE_SLOTS; i += 2) {
        uint64_t a = put(i), seq;
        CHECK_EQ(a, start + i);
        put(i + 1);
        CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), 2);
        CHECK(tine__queue_take(&w, 9, &seq));
        CHECK_EQ(seq, a);
        tine__queue_bury(&q, 9);
        CHECK_EQ(owner(a), 9);
        CHECK(!tine__queue_withdraw(&q, a));
        if (i % 8)
            take_expecting(1, i + 1);
        else
            CHECK(tine__queue_withdraw(&q, a + 1));
        CHECK(nothing_to_take());
    }
    take_overtaking();
    close_both();
}

static void workers_cannot_write_calls(void) {
    open_both();
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w.calls.fd, 0);
    CHECK(p == MAP_FAILED);
    CHECK_EQ(write(w.calls.fd, "x", 1), -1);
    close_both();
}

/* Whatever a worker writes over the claims: every function returns. */
static void rubbish_in_claims_keeps_nobody(void) {
    unsigned long long seed = 1;
    open_both();
    struct queue_past past;
    uint32_t ref;
    uint64_t seq;
    for (int round = 0; round < 2000; round++) {
        uint64_t tail = q.c->tail;
        for (unsigned i = 0; i < QUEUE_SLOTS; i++) {
            unsigned long long r = check_random(&seed);
            q.k->state[i] = r % 4 ? word_of(tail + r / 8 % 4096 - 2048, 1, (r >> 40) % 3) : r;
        }
        struct queue_slot s = item(1);
        tine__queue_renew(&q, &ref, &seq, &past);
        tine__queue_put(&q, &s.call, s.bytes, seed >> 20, &seq, NULL);
        CHECK_LE(tine__queue_ready(&q, QUEUE_SLOTS), QUEUE_SLOTS);
        tine__queue_withdraw(&q, tail - (seed >> 7) % QUEUE_SLOTS);
        tine__queue_bury(&q, 1);
        for (unsigned i = 0; tine__queue_take(&w, 1, &seq); i++)
            CHECK_LE(i, 4 * QUEUE_SLOTS);
    }
    close_both();
}

/* Words of items that will be in some 2^38 puts kept whoever looked, the submitter under its lock too, walking as
** far; and a slot that such a word was in was never free again. */
static void words_of_items_to_come(void) {
    open_both();
    put(1);
    take_expecting(1, 1);
    for (unsigned i = 0; i < QUEUE_SLOTS; i++)
        q.k->state[i] = word_of((uint64_t)1 << 38, 1, SLOT_TAKEN);
    CHECK_EQ(tine__queue_ready(&q, QUEUE_SLOTS), 0);
    CHECK(nothing_to_take());
    tine__queue_bury(&q, 2);
    for (uint64_t i = 0; i < UINT64_C(2) * QUEUE_SLOTS; i++) {
        put(i);
        take_expecting(1, i);
    }
    close_both();
}

/* Who is not to wait for ever is told that nothing came. */
static void patience_ends(void) {
    open_both();
    CHECK_EQ(tine__queue_wait(&w, 1, 0, 0), TINE_ETIMEOUT);
    CHECK_EQ(tine__queue_wait(&w, 1, 0, 1000), TINE_ETIMEOUT);
    CHECK_EQ(tine__queue_wait(&w, 1, 1000, 1000), TINE_ETIMEOUT);
    CHECK(!tine__queue_wake(&q)); /* it is not announced any more */
    put(1);
    CHECK_EQ(tine__queue_wait(&w, 1, 0, 0), 0);
    CHECK_EQ(tine__queue_wait(&w, 1, 0, 1000), 0);
    tine__queue_shut(&q);
    take_expecting(1, 1);
    CHECK_EQ(tine__queue_wait(&w, 1, 0, 0), TINE_ESHUTDOWN);
    close_both();
}

int main(void) {
    items_come_in_order_over_many_rounds();
    full_until_a_slot_is_freed();
    withdrawn_items_are_skipped();
    a_worker_that_was_away_catches_up();
    the_dead_are_buried_with_their_slot();
    condemned_before_it_has_freed_its_slot();
    asked_before_it_has_freed_its_slot();
    held_until_its_slot_is_free();
    the_place_of_the_condemned_is_kept();
    the_place_that_was_left_last_is_taken_first();
    slots_of_both_sizes();
    who_had_a_slot_is_told_before_it_is_used_again();
    items_are_taken_in_the_order_of_their_labels();
    an_item_in_the_making_is_seen_when_it_is_put();
    an_old_item_does_not_hold_up_the_queue();
    few_are_left_behind_those_that_overtook();
    each_sleep_is_ended_once();
    who_is_dismissed_is_woken_alone();
    nobody_is_woken_for_what_a_spinner_takes();
    nobody_is_woken_while_two_come();
    not_all_are_woken_for_what_was_left();
    who_comes_wakes_the_next();
    a_seat_is_lost_by_who_does_not_look();
    nobody_is_woken_beside_a_watcher();
    the_watcher_helps_where_items_lie();
    shut_lets_what_is_there_be_taken();
    low_is_told_once_for_each_wish();
    numbers_wrap();
    workers_cannot_write_calls();
    rubbish_in_claims_keeps_nobody();
    words_of_items_to_come();
    patience_ends();
    return 0;
}
