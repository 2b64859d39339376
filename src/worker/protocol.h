/* Messages between submitter, root and fork servers on their control sockets (ipc/control.h), one
** struct each.
**
** This and boot.h are what both sides share: the site, in the program, and the folders root and
** fork, which are processes of their own (docs/internals.md has a map).
**
**   submitter -> root         OPEN       + an end of a control socket: fork a fork server;
**                                        says whether the pool has a preload
**   root -> fork server       OPEN       the same, to a fork server that was forked ahead, over a
**                                        socket of its own
**   fork server -> worker     SETUP, START   passed on to a worker that was forked ahead
**                                        (worker/fork/ahead.h)
**   submitter -> fork server  SETUP      + the descriptors below: the first message. They are made
**                                        while the root forks
**                             START      worker id + its link's descriptor
**                             KILL       worker id (0: all), signal; all but SIGCONT also go to its
**                                        descendants
**                             ASK        worker id: its task was asked to end, signal it to look
**                             SHUT       no more workers will be started: end with the last one
**                             END        the pool has ended; the end of file that follows is not
**                                        the submitter's death
**   root -> submitter         ROOT       + a pidfd of the root: the first message, over the
**                                        root's own socket
**                             NOFORK     no fork server can be forked (errno, text)
**                             GONE       the fork server has died (pid, wait status)
**   fork server -> submitter  PRELOADING the preload begins
**                             UP         the fork server runs (pid), the preload is done; STARTED
**                                        implies it
**                             NOFORK     it cannot do its work (errno, text): before UP, or when
**                                        it has to fork its first worker
**                             NOPRELOAD  the preload failed: a result segment [error, traceback]
**                             STARTED    worker id, pid; as status the fork server's pid
**                             NOSTART    worker id, errno: its process could not be made
**                             EXITED     worker id, pid, wait status. If it crashed or was killed,
**                                        so were the programs of its task. Error EPERM:
**                                        it, or one of these, may not be killed and runs on; EBUSY:
**                                        it was killed and has not ended yet. `last`: it was the
**                                        last worker, and the fork server ends in good order, too
**                             GONE       the fork server has ended in good order: status 0
**
** Closing the submitter's end of the control socket ends the fork server: it kills the remaining
** workers with all their descendants, reaps them and exits. So does the death of the submitter,
** which it sees by a pidfd. The root keeps a copy of the fork server's end until that process has
** died, so GONE always comes before end of file; without GONE, end of file means that the root has
** died, too. The last message before GONE says in which step the fork server died: none,
** PRELOADING, UP.
*/
#ifndef TINE_WORKER_PROTOCOL_H
#define TINE_WORKER_PROTOCOL_H

#include <stdint.h>
#include <sys/types.h>

/* The descriptors that go with SETUP, in this order. */
enum setup_fd {
    SETUP_CALLS, /* the call queue's files */
    SETUP_CLAIMS,
    SETUP_HEAP,    /* the call heap: its first page is the directory, then blocks */
    SETUP_BELL,    /* writing end of the waiting thread's bell (word 0 of the queue) */
    SETUP_WAKEUP,  /* writing end of the manager's wakeup (word 1 of the queue) */
    SETUP_CAPTURE, /* socket for struct output_note */
    SETUP_PRINT,   /* socket for struct print_note */
    SETUP_ARENA,   /* the arena's file (ipc/arena.h) */
    SETUP_CWD,     /* O_PATH of the working directory */
    SETUP_STDOUT,  /* the submitter's */
    SETUP_STDERR,
    SETUP_FDS
};

enum message_kind {
    MESSAGE_OPEN = 1,
    MESSAGE_ROOT,
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
        uint32_t length; /* SETUP: of the boot block (worker/boot.h) */
    };
    int32_t pid;
    int32_t status; /* EXITED, GONE: as from waitpid; KILL: the signal */
    int32_t error;  /* errno */
    union {
        uint32_t seat;    /* SETUP, START: ticket of the seat in the arena */
        uint32_t preload; /* OPEN: is there a preload? */
        uint32_t last;    /* EXITED */
    };
    union {
        uint64_t boot;  /* SETUP: offset of the boot block in the call heap */
        uint64_t spent; /* EXITED: processor time used, ns */
    };
};

/* What a worker sends over SETUP_CAPTURE (ipc/control.h), with the reading end of a pipe:
** the output of this task comes out of it. Earlier tasks of the worker on this level and
** above have ended. For a task whose output is relayed: two pipes, for stdout and stderr,
** and the label follows. */
struct output_note {
    uint64_t task;  /* its id */
    uint64_t limit; /* bytes that are kept */
    uint32_t worker;
    uint32_t level;   /* how many tasks are below it */
    uint32_t ref;     /* of its call */
    uint32_t relayed; /* 1: relayed, not captured */
};

/* What a worker sends over SETUP_PRINT. With three descriptors: the reading ends of two pipes, for
** stdout and stderr, and one that is closed when everything from them is written; the label
** follows. Without descriptors: the task has ended. */
struct print_note {
    uint64_t task;
    uint32_t worker;
    uint32_t zero;
};
#define PRINT_LABEL 4096u /* bytes; a longer label is cut */

/* The exit code of a worker that lacks even the memory to say why it ends before it is ready, and
** of a fork server that cannot tell the submitter something. */
#define WORKER_SPEECHLESS 71

#define MESSAGE_MAX (60u << 10) /* most bytes of a message; longer error texts are cut */

#endif
