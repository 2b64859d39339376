/* The root process, and how another process of ours becomes it.
**
**   program --fork (or posix_spawn of tine-helper)--> root --fork--> fork server --fork--> worker
*/
#ifndef TINE_WORKER_ROOT_MAIN_H
#define TINE_WORKER_ROOT_MAIN_H

#include <stdbool.h>

/* The root for the rest of the process's life: it talks to the submitter over `socket` and sees by `life` (a pidfd) that
** it has ended. `executed`: by tine-helper, so addresses in the program mean nothing here. Closes all other descriptors. */
_Noreturn void tine__root_main(int socket, int life, bool executed);

/* root.c: in a fresh process of ours: no root has been taken here yet. */
void tine__root_reset(void);

#endif
