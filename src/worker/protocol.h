/* What the submitter, the root and the fork servers say to each other on their control sockets
** (ipc/control.h), one struct for each message.
**
** This and boot.h are what both sides of this floor see: the site, in the program, and the folders root and fork, which are
** the processes (docs/internals.md has a map of all).
**
**   submitter -> root         OPEN     whether there is a preload, + a control socket's end: fork a fork server for a
**                                      pool
**   root -> fork server       OPEN     the same: of one that was forked ahead, over a socket of its own
**   fork server -> worker     SETUP, START    as they come, to one that was forked ahead (worker/fork/ahead.h)
**   submitter -> fork server  SETUP    + the descriptors below: the first message; the root forks while
**                                      they are made
**                             START    worker id + its link's descriptor
**                             KILL     worker id (0: all), signal: that worker, and with SIGKILL all processes
**                                      descended from it
**                             ASK      worker id: its task was asked to end, it is to look
**                             SHUT     no worker will be asked for any more: end with the last one
**                             END      the pool has ended; the end of file comes next, and is not our death
**   root -> submitter         NOFORK   no fork server can be forked (errno, and words that follow)
**                             GONE     the fork server has died (pid, wait status)
**   fork server -> submitter  PRELOADING preload begins
**                             UP       the fork server runs (pid), preload is done; STARTED says so, too
**                             NOFORK   it cannot become what it should (errno, and words that follow): before UP, or
**                                      when the first worker that was not forked ahead is asked for
**                             NOPRELOAD a result segment [error, traceback] fills the rest of the packet
**                             STARTED  worker id, pid
**                             NOSTART  worker id, errno: no process to be had
**                             EXITED   worker id, pid, wait status: it is gone, and if it was killed or
**                                      has crashed so are the programs of its task. Error EPERM: it, or
**                                      one of them, may not be killed and runs on; EBUSY: was killed and
**                                      is not gone in time
**                                      `last`: it was the last one, and we end in good order, too
**                             GONE     it has ended in good order: status 0
**
** Closing the submitter's end of the control socket ends the fork server: it kills what workers are
** left, with all their descendants, reaps them and exits; so does the death of the submitter, which it
** sees by a pidfd. The root holds a copy of the fork server's end until that has died, so that GONE always
** comes before the end of file, which without it means that the root is gone, too. What was heard before GONE
** says in which step it died: nothing, PRELOADING, UP.
*/
#ifndef TINE_WORKER_PROTOCOL_H
#define TINE_WORKER_PROTOCOL_H

#include <stdint.h>
#include <sys/types.h>

/* The descriptors that go with SETUP, in this order. */
enum setup_fd {
    SETUP_CALLS, /* the call queue's files */
    SETUP_CLAIMS,
    SETUP_HEAP,    /* the call heap: page 0 is its directory, blocks from page 1 on */
    SETUP_BELL,    /* ringer of the waiting thread's bell: word 0 of the queue */
    SETUP_WAKEUP,  /* ringer of the manager's wakeup: word 1 of the queue */
    SETUP_CAPTURE, /* socket for struct output_note */
    SETUP_PRINT,   /* socket for struct print_note */
    SETUP_ARENA,   /* ipc/arena.h */
    SETUP_CWD,     /* O_PATH of the working directory */
    SETUP_STDOUT,  /* of the submitter */
    SETUP_STDERR,
    SETUP_FDS
};

enum message_kind {
    MESSAGE_OPEN = 1,
    MESSAGE_SETUP,
    MESSAGE_START,
    MESSAGE_KILL,
    MESSAGE_ASK,
    MESSAGE_SHUT,
    MESSAGE_END,
    MESSAGE_PRELOADING,
    MESSAGE_UP,
    MESSAGE_NOFORK,
    MESSAGE_NOPRELOAD,
    MESSAGE_STARTED,
    MESSAGE_NOSTART,
    MESSAGE_EXITED,
    MESSAGE_GONE
};

struct message {
    uint32_t kind;
    union {
        uint32_t worker; /* id */
        uint32_t length; /* SETUP: of worker/boot.h, */
    };
    int32_t pid;
    int32_t status; /* EXITED, GONE: as waitpid gives it; KILL: the signal */
    int32_t error;  /* errno */
    union {
        uint32_t seat;    /* SETUP, START: in the arena */
        uint32_t preload; /* OPEN: there is one */
        uint32_t last;    /* EXITED */
    };
    union {
        uint64_t boot;  /* SETUP: and its place in the call heap */
        uint64_t spent; /* EXITED: of the processor, ns */
    };
};

/* What a worker says over SETUP_CAPTURE (ipc/control.h): the output of this task is what comes out of the pipe whose
** reading end goes along. Tasks before it on its level, and on top of it, have ended. Of a task whose output is relayed
** these are the ends of two pipes, for its stdout and stderr, and the label follows. */
struct output_note {
    uint64_t task;  /* its id */
    uint64_t limit; /* bytes that are kept */
    uint32_t worker;
    uint32_t level;   /* on so many others */
    uint32_t ref;     /* of its call */
    uint32_t relayed; /* 1: it is, and not captured */
};

/* And over SETUP_PRINT: the reading ends of two pipes, for its stdout and stderr, and one to be closed when all is written
** that has come out of them; the label follows. Without them: that task has ended. */
struct print_note {
    uint64_t task;
    uint32_t worker;
    uint32_t zero;
};
#define PRINT_LABEL 4096u /* bytes; a longer label is cut */

/* The exit code of a worker that cannot have the memory by which it would say why it ends, before it is ready; and of a fork
** server that cannot tell the submitter something. */
#define WORKER_SPEECHLESS 71

#define MESSAGE_MAX (60u << 10) /* a message with its bytes; longer error texts are cut */

#endif
