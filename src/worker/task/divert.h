/* Divert: where a task's descriptors 1 and 2 lead while it runs, if its output is to be kept, prefixed or relayed.
**
** They are the writing ends of pipes made for this one task, and so are those of the programs that it starts. The
** reading ends go to the submitter at once, over a socket (worker/protocol.h), so that a worker that is
** killed takes nothing along of what it has written. When the task has ended, 1 and 2 are again what they were; a
** program that it has left behind still writes into its pipe, and never into that of the next task.
**
** On top of a task that waits for others (nest.h) those run with their own output, and with the pool's where they inherit.
**
** C streams of the worker are not buffered meanwhile: each write of theirs is in the pipe when it returns.
*/
#ifndef TINE_WORKER_TASK_DIVERT_H
#define TINE_WORKER_TASK_DIVERT_H

#include <stdbool.h>
#include "worker/channel/channel.h"
#include "worker/process/output.h"
#include "worker/protocol.h"

/* In a worker: from now on the output of its tasks can be diverted. The sockets (SETUP_CAPTURE, SETUP_PRINT) are
** borrowed. */
void tine__divert_open(const struct channel *channel, uint32_t worker, int captures, int prints);

/* What is put back when a task has ended. */
struct diverted {
    bool on; /* else it was left as it was */
    struct output_manner manner;
    int before[2]; /* copies of 1 and 2; -1: it was closed */
    int written;   /* reads as ended when the lines of the task are written; -1: it has no prefix */
    uint64_t task;
};
/* Around each task, which is on top of `level` others (nest.h); of another channel than the worker's (a pool without
** processes) nothing is done. 0; TINE_ESYSTEM: it cannot be, errno tells why, and nothing has changed. */
int tine__divert_begin(struct diverted *d, const struct channel *channel, const struct call *call,
                       uint32_t k, unsigned level);
/* All that the task has printed is where it is to be. */
void tine__divert_end(struct diverted *d);

#endif
