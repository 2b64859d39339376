/* The fork server of a pool, and what its workers have from it.
**
** This folder is two processes, from their fork to their end: the fork server, which forks workers, buries them and tells
** the submitter (server.c, children.h), and the worker (worker.c), one of which may be there before there is a pool
** (ahead.h). Only the root, which forks fork servers, calls it from outside. It does not know the root; and a worker has its
** state and its channel made, and leaves the rest of its life to task/loop.h.
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

/* A child that was forked ahead of what it is for: the root's fork server, a fork server's worker (ahead.h). */
struct ahead {
    pid_t pid;  /* 0: there is none */
    int socket; /* by which it is told; -1: none */
};

/* What a fork server has of its pool; its workers inherit it. */
struct server {
    int control;
    int life; /* pidfd of the submitter */
    int fds[SETUP_FDS];
    bool executed;  /* see root/main.h */
    bool shut;      /* no worker will be asked for any more */
    bool dismissed; /* the submitter has said that it wants no more: its end of file is no death */
    bool ending;    /* nothing new is begun, and what cannot be told is not */
    bool mute;      /* it ends because something could not be told */
    bool taken;     /* it has taken over what the program has told of itself, */
    bool attached;  /* takes part in the pool's memory, */
    bool settled;   /* and is known by its name */
    bool forked;    /* a worker, and not ahead */
    struct message setup;
    struct boot boot;
    struct heap_directory *directory; /* page 0 of the call heap, read-only */
    struct heap *heap;                /* calls, reader's side */
    struct run run;                   /* the root's; workers go on with copies of it */
    struct ahead ahead;
};

/* server.c: the fork server of a pool, from its fork on: signals, title and streams are the root's. Takes
** over `control`; closes all other descriptors but `life`. Does not return. */
enum server_way {
    SERVER_ALONE, /* it may fork no worker before its preload has run */
    SERVER_FIRST, /* it forks the first one at once */
    SERVER_AHEAD /* so it does, and there is no pool yet: the root will give it another control socket over this one */
};
_Noreturn void tine__server_main(int control, int life, bool executed, enum server_way way,
                                 const struct run *run);

/* talk.c: what comes and goes by the control socket. */

/* Wait for a message of that kind, with `n` descriptors. 0; TINE_ESHUTDOWN: who sends them has given up, or the
** submitter is dead; TINE_ESYSTEM. */
int tine__server_receive(struct server *s, enum message_kind kind, struct message *m, int *fds,
                         int n);
/* Tell the submitter something, which bytes may follow. 0, or it cannot be told. */
int tine__server_tell(const struct server *s, const struct message *m, const void *bytes,
                      size_t length);

/* worker.c: worker `id` for the rest of the process's life, with that seat in the arena. Takes over `link`. `parent`: pid of
** the fork server. */
_Noreturn void tine__worker_main(struct server *s, uint32_t id, uint32_t seat, int link,
                                 pid_t parent);

#endif
