/* Items that overtake each other: for tests of the call queue that put many. */
#ifndef TINE_TESTS_IPC_MIXED_H
#define TINE_TESTS_IPC_MIXED_H

#include "ipc/queue.h"

/* Put item `id`; false: the queue is full. seq_of[] has the names of the items, by id. For hundreds of
** items in a row each is behind the one before, then they come in any order, and now and then one is
** to be taken last of all. */
static inline bool put_mixed(struct queue *q, struct queue_slot *s, uint64_t id, uint64_t *seq_of) {
    struct queue_past past;
    uint32_t ref;
    uint64_t seq, label = id / 300 % 2 ? id : id * 7919 % 1000;
    s->call.id = id;
    s->call.ref = (uint32_t)id;
    if (tine__queue_renew(q, &ref, &seq, &past))
        seq_of[ref] = seq;
    return !tine__queue_put(q, &s->call, s->bytes, id % 500 == 7 ? UINT64_MAX - id : label,
                            &seq_of[id], NULL);
}

#endif
