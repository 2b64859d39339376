/* Divert: where a task's descriptors 1 and 2 lead while it runs, if its output is to be kept or prefixed.
**
** They are the writing ends of pipes made for this one task, and so are those of the programs that it starts. The
** reading ends go to the submitter at once, over a socket (protocol.h), so that a worker that is
** killed takes nothing along of what it has written. When the task has ended, 1 and 2 are again what they were; a
** program that it has left behind still writes into its pipe, and never into that of the next task.
**
** C streams of the worker are not buffered meanwhile: each write of theirs is in the pipe when it returns.
*/
#ifndef TINE_WORKER_DIVERT_H
#define TINE_WORKER_DIVERT_H

#include "worker/channel.h"
#include "worker/protocol.h"

/* In a worker: from now on the output of its tasks can be diverted. The sockets (SETUP_CAPTURE, SETUP_PRINT) are
** borrowed. */
void tine__divert_open(const struct channel *channel, uint32_t worker, int captures, int prints);
/* Around each task that has such a setting; of another channel than the worker's (a pool without processes) nothing is
** done. 0; TINE_ESYSTEM: it cannot be, errno tells why, and nothing has changed. */
int tine__divert_begin(const struct channel *channel, const struct call *call, uint32_t k);
/* With prefixes: waits until all is written. */
void tine__divert_end(const struct channel *channel);

#endif
