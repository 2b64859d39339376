/* What the submitter, the root and the fork servers say to each other on their control sockets
** (ipc/control.h), one struct for each message.
**
**   submitter -> root         OPEN     + the descriptors below: fork a fork server for a pool
**   submitter -> fork server  START    worker id + its link's descriptor
**                             KILL     worker id, signal: that worker, and with SIGKILL all processes
**                                      descended from it
**   fork server -> submitter  UP       the fork server runs (pid), preload is done
**                             NOFORK   root could not fork the fork server (errno)
**                             NOPRELOAD a result segment [error, traceback] follows the head
**                             STARTED  worker id, pid
**                             NOSTART  worker id, errno: no process to be had
**                             EXITED   worker id, pid, wait status
**
** Closing the submitter's end of the control socket ends the fork server: it kills what workers are
** left, with all their descendants, reaps them and exits; so does the death of the submitter, which it
** sees by a pidfd even while forked children of the submitter hold copies of the socket. End of file
** at the submitter's end means that the fork server is gone.
*/
#ifndef TINE_WORKER_PROTOCOL_H
#define TINE_WORKER_PROTOCOL_H

#include <stdint.h>
#include <sys/types.h>

/* The descriptors that go with OPEN, in this order. */
enum open_fd {
    OPEN_CONTROL, /* the fork server's end of the control socket */
    OPEN_CALLS,   /* the call queue's files */
    OPEN_CLAIMS,
    OPEN_HEAP,   /* the call heap: page 0 is its directory, blocks from page 1 on */
    OPEN_BELL,   /* eventfd of the waiting thread's bell: word 0 of the queue */
    OPEN_WAKEUP, /* eventfd of the manager: word 1 of the queue */
    OPEN_BOOT,   /* worker/boot.h */
    OPEN_CWD,    /* O_PATH of the working directory */
    OPEN_STDOUT, /* of the submitter */
    OPEN_STDERR,
    OPEN_FDS
};

enum message_kind {
    MESSAGE_OPEN = 1,
    MESSAGE_START,
    MESSAGE_KILL,
    MESSAGE_UP,
    MESSAGE_NOFORK,
    MESSAGE_NOPRELOAD,
    MESSAGE_STARTED,
    MESSAGE_NOSTART,
    MESSAGE_EXITED
};

struct message {
    uint32_t kind;
    uint32_t worker; /* id */
    int32_t pid;
    int32_t status;  /* EXITED: as waitpid gives it; KILL: the signal */
    int32_t error;   /* errno */
    uint32_t length; /* bytes that follow */
};

#define MESSAGE_MAX (60u << 10) /* a message with its bytes; longer error texts are cut */

#endif
