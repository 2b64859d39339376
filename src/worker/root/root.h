/* Root: the one small process from which everything of ours is forked.
**
** It is taken while the program is small and has one thread (at `require`, or tine_prepare in C): then
** a plain fork is safe. In a program that has threads already, and for start_method = "spawn", it is a
** freshly executed helper (tine-helper, found beside the library) instead. It holds no memory of a
** pool; its descriptors are its socket, a pidfd of the program, one for SIGCHLD, and its copy of each fork
** server's control socket. It ends when the program ends, however that happens, or lets go of it: when rights
** have changed (worker/process/inherit.h), and in a program that waits for all children of its descendants, with the
** last pool.
**
** The state of a worker is made there once (luaL_newstate, luaL_openlibs, the preloaded `tine`
** modules), so that fork servers and workers start with it done.
**
** This header is the program's side: whoever makes a pool, or holds something that a forked child of the program must not
** have. How a root is made, and what one does, is in make.h and main.h, which nothing else calls; what a pool is, or a
** task, none of them knows: they hand sockets and descriptors on.
*/
#ifndef TINE_WORKER_ROOT_ROOT_H
#define TINE_WORKER_ROOT_ROOT_H

#include <stdbool.h>
#include "worker/process/inherit.h"
#include "worker/protocol.h"

/* Take the root if there is none: by fork when this process has one thread, else nothing happens now
** (the helper is executed at the first pool). Any thread. 0, TINE_ESYSTEM. */
int tine__root_take(void);

/* Only notice forks of the program, as it also does, for what is below. 0, TINE_ESYSTEM. */
int tine__root_heed_forks(void);

/* Have a fork server forked for a pool: *control is our end of its control socket, *inherit what it is to inherit. `spawn`:
** from the executed helper; `preload`: it has one. 0; TINE_ESYSTEM: no root to be had (errno; also when the helper cannot be
** found: ENOENT), or it is gone. The answer (UP, NOFORK ...) comes over the control socket. */
int tine__root_open(int *control, struct inherit *inherit, bool spawn, bool preload);

/* Tell that fork server of its pool, by its seat in the arena and the place of its boot in the call heap: passes `fds` (borrowed;
** the caller closes its copies of what it does not need). 0, also when it is gone: the control socket says why;
** TINE_ESYSTEM. */
int tine__root_set_up(int control, const int fds[SETUP_FDS], uint32_t seat, uint64_t boot,
                      uint32_t length);

/* How often the calling process was forked since the root was taken, by means that keep our memory: 0
** in the process that took it; a handle made at another count than the current one is used in a forked
** child of its owner. In such a child the sockets of the roots are closed, and what tine__root_watch closes;
** memory and descriptors of pools beyond that stay until it ends or executes another program. */
unsigned tine__root_generation(void);

/* Have `close` called with `arg` in forked children of the program (to close descriptors that they
** must not hold). Returns a handle for tine__root_unwatch, NULL when out of memory. */
struct root_watch;
struct root_watch *tine__root_watch(void (*close)(void *arg), void *arg);
void tine__root_unwatch(struct root_watch *w);

#endif
