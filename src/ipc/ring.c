/* The ring of a link (link.h): the worker writes records, the submitter reads them. Both sides
** count bytes without end; which byte of the ring a count stands for follows from the origin, which
** the worker moves when nothing is unread. So a ring that is read as fast as it is written stays
** within the first page of the link, its home, and touches no other pages. */
#include <assert.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "ipc/futex.h"
#include "ipc/link_layout.h"

/* --- the submitter's side --- */

/* The byte of the ring for this count. */
static char *place_of(const struct link *l, uint64_t count) {
    return l->s->ring + (count + l->origin) % LINK_RING;
}

static uint64_t left_behind(const struct link *l, uint64_t count) {
    return LINK_RING - (count + l->origin) % LINK_RING;
}

HOT bool tine__link_pending(const struct link *l) {
    return l->at != l->seen ||
           count_in(atomic_load_explicit(&l->s->head, memory_order_relaxed)) != l->at;
}

bool tine__link_pressed(const struct link *l) {
    return count_in(atomic_load_explicit(&l->s->head, memory_order_relaxed)) - l->at >
               LINK_RING / 2 ||
           atomic_load_explicit(&l->s->full, memory_order_relaxed) != 0;
}

/* Let l->seen be ahead of l->at: keep the head read before, or, if everything up to that
** is consumed, read the writer's head again. 0; TINE_EAGAIN: nothing is unread;
** TINE_EINVALID: rubbish. */
static int see_records(struct link *l) {
    if (l->at != l->seen)
        return 0;
    uint64_t word = atomic_load_explicit(&l->s->head, memory_order_acquire);
    uint64_t head = count_in(word);
    if (head == l->at)
        return TINE_EAGAIN;
    if (head - l->at > LINK_RING)
        return TINE_EINVALID;
    l->seen = head;
    l->origin = origin_in(word); /* holds for all that is unread */
    return 0;
}

static uint64_t head_size(const struct record *r) {
    return sizeof *r + (r->timed ? sizeof(struct record_times) : 0);
}

static uint64_t record_size(const struct record *r) {
    return (head_size(r) + r->length + RECORD_ALIGN - 1) / RECORD_ALIGN * RECORD_ALIGN;
}

/* Copy the head of the record at l->at and check the copy: the bytes in the ring
** can change at any time. */
static inline int read_head(struct link *l, struct record *r) {
    uint64_t left = left_behind(l, l->at);
    memcpy(r, place_of(l, l->at), sizeof *r);
    uint64_t size = record_size(r);
    l->after = l->at + size;
    if (r->kind >= RECORD_KINDS || size > l->seen - l->at || size > left)
        return TINE_EINVALID;
    if (r->kind == RECORD_SKIP)
        return size == left ? 0 : TINE_EINVALID;
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

HOT int tine__link_peek(struct link *l, struct record *r, const char **payload, uint64_t *length) {
    for (;;) {
        int err = see_records(l);
        if (err || (err = read_head(l, r)) != 0)
            return err;
        if (r->kind != RECORD_SKIP)
            break;
        l->at = l->after;
    }
    const char *place = place_of(l, l->at);
    l->times = (struct record_times){0, 0};
    if (r->timed)
        memcpy(&l->times, place + sizeof *r, sizeof l->times);
    *payload = place + head_size(r);
    *length = r->length;
    return r->large ? find_block(l, payload, length) : 0;
}

/* Publish how far the submitter has read, and wake the worker if it waits for room. */
static void publish_tail(struct link *l) {
    /* release: everything before it has been read */
    atomic_store_explicit(&l->s->tail, l->at, memory_order_release);
    /* fence: first the room, then the sleeper; the sleeper: first its flag, then the room */
    store_then_look();
    if (!atomic_load_explicit(&l->s->full, memory_order_relaxed))
        return;
    atomic_store_explicit(&l->s->full, 0, memory_order_relaxed);
    futex_wake(&l->s->full, 1);
}

HOT void tine__link_next(struct link *l) {
    assert(l->after - l->at <= LINK_RING);
    l->at = l->after;
    /* One fence and one look at `full` for a batch of records; a reader always gets to the end. */
    uint64_t told = atomic_load_explicit(&l->s->tail, memory_order_relaxed);
    if (l->at == l->seen || l->at - told >= LINK_RING / 4)
        publish_tail(l);
}

uint64_t tine__link_block(const struct record *r, const struct link *l) {
    assert(r->large);
    (void)r;
    return l->block;
}

/* --- the worker's side --- */

static bool has_room(struct link *l, uint64_t size) {
    if (size <= LINK_RING - (l->at - l->seen))
        return true;
    /* acquire: the reader is done with what we are going to overwrite */
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

/* The head is passed by value, here and below: it is put together in registers and not
** read back from memory. */
static inline void put_record(struct link *l, struct record head, const void *payload) {
    char *place = place_of(l, l->at);
    memcpy(place, &head, sizeof head);
    if (head.timed)
        memcpy(place + sizeof head, &l->times, sizeof l->times);
    if (head.length > 0 && payload)
        memcpy(place + head_size(&head), payload, head.length);
    l->at += record_size(&head);
}

/* A record would leave the home, or the stretch of as many bytes behind it: if all was read, begin
** again at the first byte. */
static void begin_again(struct link *l) {
    l->seen = atomic_load_explicit(&l->s->tail, memory_order_acquire); /* as in has_room */
    if (l->seen == l->at)
        l->origin = -l->at % LINK_RING;
}

/* Make room for a record of `size` bytes. */
static void make_room(struct link *l, uint64_t size, void (*ring)(void *arg), void *arg) {
    if (left_behind(l, l->at) % RING_HOME < size)
        begin_again(l);
    uint64_t left = left_behind(l, l->at), skip = left < size ? left : 0;
    if (!has_room(l, skip + size))
        wait_for_room(l, skip + size, ring, arg);
    if (skip) {
        struct record filler = {.length = (uint32_t)(skip - sizeof filler), .kind = RECORD_SKIP};
        put_record(l, filler, NULL);
    }
}

/* Is there room where we wrote last, as far as we know without looking? */
static inline bool has_room_here(const struct link *l, uint64_t size) {
    return left_behind(l, l->at) % RING_HOME >= size && size <= LINK_RING - (l->at - l->seen);
}

HOT void tine__link_write(struct link *l, struct record head, const void *payload,
                          void (*ring)(void *arg), void *arg) {
    uint64_t size = record_size(&head);
    assert(head.length <= LINK_INLINE);
    if (!has_room_here(l, size))
        make_room(l, size, ring, arg);
    put_record(l, head, payload);
    KILL_POINT("halfway");
    /* release: the bytes; a SKIP becomes visible together with the record behind it, so the reader
    ** never waits after one */
    atomic_store_explicit(&l->s->head, head_word(l->at, l->origin), memory_order_release);
    KILL_POINT("written");
}

bool tine__link_half_full(const struct link *l) {
    return l->at - l->seen > LINK_RING / 2 &&
           l->at - atomic_load_explicit(&l->s->tail, memory_order_relaxed) > LINK_RING / 2;
}
