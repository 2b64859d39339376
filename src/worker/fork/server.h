/* The fork server of a pool, and what its workers have from it.
**
** This folder is two processes, from their fork to their end: the fork server, which forks workers,
** reaps them and reports to the submitter (server.c, children.h), and the worker (worker.c), the
** first of which may be forked before there is a pool (ahead.h). Only the root calls it from
** outside, to fork fork servers; it does not know the root. A worker makes its state and its
** channel, and leaves the rest of its life to task/loop.h.
*/
#ifndef TINE_WORKER_FORK_SERVER_H
#define TINE_WORKER_FORK_SERVER_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "ipc/heap.h"
#include "worker/boot.h"
#include "worker/protocol.h"
#include "worker/task/run.h"

/* A child that was forked ahead of its purpose: the root's next fork server, or a fork server's
** first worker (ahead.h). */
struct ahead {
    pid_t pid;  /* 0: there is none */
    int socket; /* to send messages to it; -1: none */
};

/* What a fork server knows of its pool; its workers inherit it. */
struct server {
    int control;
    int life; /* pidfd of the submitter */
    int fds[SETUP_FDS];
    bool executed;  /* see root/main.h */
    bool shut;      /* no more workers will be asked for */
    bool dismissed; /* the submitter has said that it ends the pool: end of file is not its death */
    bool ending;    /* start nothing new, and ignore what cannot be reported */
    bool mute;      /* it ends because something could not be reported */
    bool taken;     /* done: taking over what is the program's, */
    bool attached;  /* attaching to the pool's memory, */
    bool settled;   /* and taking its title */
    bool forked;    /* a worker was forked, not counting the one ahead */
    struct message setup;
    struct boot boot;
    struct heap_directory *directory; /* first page of the call heap, read-only */
    struct heap *heap;                /* the call heap, reader's side */
    struct run run;                   /* made by the root; workers go on with copies of it */
    struct ahead ahead;
};

/* server.c: be the fork server of a pool, from the fork on; signals, title and streams are the
** root's. Takes over `control`; closes all other descriptors except `life`. Does not return. */
enum server_way {
    SERVER_ALONE, /* it must not fork a worker before its preload has run */
    SERVER_FIRST, /* it forks the first worker at once */
    /* likewise, and there is no pool yet: the root will send another control socket over this
    ** one */
    SERVER_AHEAD
};
_Noreturn void tine__server_main(int control, int life, bool executed, enum server_way way,
                                 const struct run *run);

/* talk.c: messages on the control socket. */

/* Wait for a message of this kind, with `n` descriptors. 0; TINE_ESHUTDOWN: its sender has closed
** the socket, or the submitter has died; TINE_ESYSTEM. */
int tine__server_receive(struct server *s, enum message_kind kind, struct message *m, int *fds,
                         int n);
/* Send the submitter a message, followed by bytes. 0, or it cannot be sent. */
int tine__server_tell(const struct server *s, const struct message *m, const void *bytes,
                      size_t length);

/* worker.c: be worker `id` for the rest of this process's life, in the arena with the seat of this
** ticket. Takes over `link`. `parent`: pid of the fork server. */
_Noreturn void tine__worker_main(struct server *s, uint32_t id, uint32_t seat, int link,
                                 pid_t parent);

#endif
