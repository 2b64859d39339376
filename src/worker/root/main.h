/* The root process, and how a forked process becomes it.
**
**   program --fork (or posix_spawn of tine-helper)--> root --fork--> fork server --fork--> worker
*/
#ifndef TINE_WORKER_ROOT_MAIN_H
#define TINE_WORKER_ROOT_MAIN_H

#include <stdbool.h>
#include <sys/types.h>

/* Be the root for the rest of this process's life. It talks to the submitter over `socket` and sees
** by `life` (a pidfd) that the submitter has died. `executed`: by tine-helper, so addresses in the
** program mean nothing here. Closes all other descriptors. */
_Noreturn void tine__root_main(int socket, int life, bool executed);

/* In the process that has forked the root: give the program, over the root's socket, a pidfd of it,
** by which it can let the root go on, should somebody stop it. Where there are no pidfds nothing is
** sent. */
void tine__root_introduce(int socket, pid_t root);

/* (root.c) In a process forked by Tine: it has no root yet. */
void tine__root_reset(void);

#endif
