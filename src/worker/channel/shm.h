/* The channel of a worker on this machine: the call queue, the call heap, and the worker's link. */
#ifndef TINE_WORKER_CHANNEL_SHM_H
#define TINE_WORKER_CHANNEL_SHM_H

#include "worker/channel/channel.h"

/* What a channel is made of; the descriptors are the worker's own. */
struct shm_channel_parts {
    int calls, claims, link; /* taken over, on failure too */
    int waiter, manager;     /* writing ends of the bells, borrowed */
    struct heap *heap;       /* the call heap, borrowed */
    unsigned worker;
    uint64_t spin;
    uint64_t event_buffer; /* most events of a task that nobody has read yet */
};

/* 0, TINE_ESYSTEM, TINE_ENOMEM. It lives as long as the process. */
int tine__shm_channel_open(struct channel **out, const struct shm_channel_parts *parts);

#endif
