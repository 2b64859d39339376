/* Divert: where a task's descriptors 1 and 2 lead while it runs, if its output is to be captured,
** prefixed or relayed.
**
** They are the writing ends of pipes made for this one task; so are those of the programs that it
** starts. The reading ends go to the submitter at once, over a socket (worker/protocol.h), so
** nothing that was written is lost when the worker is killed. When the task has ended, 1 and 2 are
** restored. A program that the task has left behind still writes into the task's pipe, and never
** into that of the next task.
**
** Tasks that run on top of a waiting task (nest.h) have their own output; if they inherit, it is
** the pool's.
**
** Meanwhile the worker's C streams are unbuffered: what they write is in the pipe when the call
** returns.
*/
#ifndef TINE_WORKER_TASK_DIVERT_H
#define TINE_WORKER_TASK_DIVERT_H

#include <stdbool.h>
#include "worker/channel/channel.h"
#include "worker/process/output.h"
#include "worker/protocol.h"

/* In a worker process: its tasks' output can be diverted from now on. The sockets (SETUP_CAPTURE,
** SETUP_PRINT) are borrowed. */
void tine__divert_open(const struct channel *channel, uint32_t worker, int captures, int prints);

/* What is restored when a task has ended. */
struct diverted {
    bool on; /* false: nothing was changed */
    struct output_manner manner;
    int before[2]; /* copies of 1 and 2; -1: it was closed */
    int written;   /* readable end of file says that the task's lines are written; -1: no prefix */
    uint64_t task;
};
/* Around each task, which has `level` tasks below it (nest.h). With any other channel than the
** worker process's own (a pool without processes) nothing is done. 0; TINE_ESYSTEM with errno: it
** cannot be done, and nothing has changed. */
int tine__divert_begin(struct diverted *d, const struct channel *channel, const struct call *call,
                       uint32_t k, unsigned level);
/* Restore 1 and 2; on return all output of the task is where it belongs. False: it has closed or
** replaced what that needs, and the output of later tasks would be lost. */
bool tine__divert_end(struct diverted *d);

#endif
