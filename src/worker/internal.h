/* The processes of this floor, and how one becomes the next:
**
**   program --fork (or posix_spawn of tine-helper)--> root --fork--> fork server --fork--> worker
**
** None of these functions returns: each is the rest of its process's life.
*/
#ifndef TINE_WORKER_INTERNAL_H
#define TINE_WORKER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "ipc/heap.h"
#include "worker/boot.h"
#include "worker/protocol.h"
#include "worker/run.h"

/* root_main.c: the root, which talks to the submitter over `socket` and sees by `life` (a pidfd) that it
** has ended. `executed`: by tine-helper, so addresses in the program mean nothing here. Closes all
** other descriptors. */
_Noreturn void tine__root_main(int socket, int life, bool executed);

/* root.c: in a fresh process of ours: no root has been taken here yet. */
void tine__root_reset(void);

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
    bool executed;  /* see tine__root_main */
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
** over `control`; closes all other descriptors but `life`. */
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
/* Tell the submitter something that bytes follow. 0, or it cannot be told. */
int tine__server_tell(const struct server *s, const struct message *m, const void *bytes,
                      size_t length);

/* worker.c: worker `id`, with that seat in the arena. Takes over `link`. `parent`: pid of the fork server. */
_Noreturn void tine__worker_main(struct server *s, uint32_t id, uint32_t seat, int link,
                                 pid_t parent);

#endif
