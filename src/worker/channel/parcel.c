/* What a worker writes into its link (records with their payloads), and the bells that it rings. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/fault.h"
#include "worker/channel/internal.h"
#include "worker/process/process.h"

/* --- parcels --- */

void tine__parcel_home(struct parcel *p) {
    p->block = 0;
    p->buf.data = p->bytes;
    p->buf.cap = LINK_INLINE;
    p->buf.shared = false;
}

/* Move the bytes to a block of the link's heap, or to a larger block. */
static int grow(struct buf *b, size_t need) {
    struct parcel *parcel = b->owner;
    struct heap *heap = parcel->channel->link.heap;
    size_t size = need < 2 * b->cap ? 2 * b->cap : need;
    uint64_t offset = parcel->block;
    char *p = offset ? tine__heap_grow(heap, &offset, b->len, size)
                     : tine__heap_alloc(heap, size, &offset);
    if (!p && errno == EBADF)
        tine__shm_end_spoilt(parcel->channel);
    if (!p)
        return TINE_ENOMEM;
    if (!parcel->block)
        memcpy(p, b->data, b->len);
    parcel->block = offset;
    b->data = p;
    b->cap = tine__heap_capacity(heap, offset);
    b->shared = true;
    return 0;
}

void tine__parcel_init(struct parcel *p, struct shm_channel *c, char *bytes) {
    p->channel = c;
    p->bytes = bytes;
    p->buf.grow = grow;
    p->buf.owner = p;
    tine__parcel_home(p);
}

#define CARRIED_AT_ONCE 64

/* Write which regions the next record names. */
static void write_carried(struct parcel *p) {
    struct shm_channel *c = p->channel;
    struct handle handles[CARRIED_AT_ONCE];
    for (uint32_t at = 0; at < p->carried.n;) {
        uint32_t n = tine__carried_send(&p->carried, at, handles, CARRIED_AT_ONCE);
        const struct record r = {.kind = RECORD_CARRIED, .length = n * (uint32_t)sizeof *handles};
        KILL_POINT("carrying");
        tine__link_write(&c->link, r, handles, tine__shm_ring_hard, c);
        at += n;
    }
}

void tine__parcel_write_other(struct parcel *p, struct record r) {
    struct shm_channel *c = p->channel;
    struct record_block large = {p->block, p->buf.len};
    const void *bytes = p->bytes;
    if (p->carried.n > 0 && !c->mute)
        write_carried(p);
    r.length = (uint32_t)p->buf.len;
    if (p->block) {
        bytes = &large;
        c->moved += p->buf.len;
        r.length = sizeof large;
        r.large = 1;
        tine__heap_give(c->link.heap, p->block);
        tine__parcel_home(p);
    }
    p->buf.len = 0;
    tine__link_write(&c->link, r, bytes, tine__shm_ring_hard, c);
    if (p->carried.list)
        tine__carried_drop(&p->carried);
}

/* --- bells --- */

void tine__shm_last_word(struct shm_channel *c, enum record_kind kind, uint64_t id) {
    struct record r = {.kind = kind, .id = id};
    tine__parcel_home(&c->reply); /* the heap may be gone */
    c->mute = true;
    parcel_empty(&c->reply);
    parcel_write(&c->reply, r);
}

_Noreturn void tine__shm_end_spoilt(struct shm_channel *c) {
    tine__shm_last_word(c, RECORD_SPOILT, 0);
    tine__process_exit(1);
}

static void see_rung(struct shm_channel *c, enum bell_rung rung) {
    if (rung != BELL_QUIET)
        c->now = 0;
    if (rung == BELL_LOST && !c->mute)
        tine__shm_end_spoilt(c);
}

void tine__shm_ring(struct shm_channel *c, enum bell_level level) {
    see_rung(c, tine__bell_ring_both(&c->waiter, &c->manager, level));
}

void tine__shm_ring_ready(struct shm_channel *c) {
    see_rung(c, tine__bell_ring_either(&c->manager, &c->waiter, BELL_PRESSURE));
}

void tine__shm_ring_hard(void *arg) {
    shm_self(arg)->now = 0;
    tine__shm_ring(arg, BELL_PRESSURE);
}
