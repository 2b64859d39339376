/* Root: the one small process from which all of Tine's processes are forked.
**
** It is made while the program is small and has one thread (at `require`, or by tine_prepare in C),
** when a plain fork is safe. In a program that has threads already, and for start_method = "spawn",
** it is a freshly executed helper instead (tine-helper, found beside the library). The root holds
** no memory of a pool. Its descriptors are its socket, a pidfd of the program, one for SIGCHLD, and
** its copy of each fork server's control socket. It ends when the program ends, however that
** happens, or drops it: when the program's rights have changed (worker/process/inherit.h), and, in
** a program that adopts orphans of its descendants, with the last pool; but not before all fork
** servers have ended, whose leavings it kills.
**
** The state of a worker is made there once (luaL_newstate, luaL_openlibs, the preloaded `tine`
** modules), so that fork servers and workers need not make it.
**
** This header is the program's side, for whoever makes a pool, or holds something that forked
** children of the program must not have. make.h (how a root is made) and main.h (what it does) are
** called from nowhere else. The root does not know what a pool or a task is; it passes on sockets
** and descriptors.
**
** Any thread may call these functions; they take locks of their own.
*/
#ifndef TINE_WORKER_ROOT_ROOT_H
#define TINE_WORKER_ROOT_ROOT_H

#include <stdbool.h>
#include "worker/process/inherit.h"
#include "worker/protocol.h"

/* Make the root if there is none, by fork, if this process has one thread; else nothing is done now
** (the helper is executed for the first pool). 0 or TINE_ESYSTEM. */
int tine__root_take(void);

/* Only install the fork handlers that the functions below rely on. 0 or TINE_ESYSTEM. */
int tine__root_heed_forks(void);

/* Have a fork server forked for a pool: *control is our end of its control socket, *inherit what it
** will inherit. `spawn`: from the executed helper; `preload`: the pool has one. 0; TINE_ESYSTEM:
** there is no root (errno; ENOENT: the helper cannot be found), or it has died. The answer (UP,
** NOFORK ...) comes over the control socket. */
int tine__root_open(int *control, struct inherit *inherit, bool spawn, bool preload);

/* Tell the fork server about its pool: the ticket of its seat in the arena, and its boot block in
** the call heap. Passes on `fds`, which are borrowed; the caller closes those it does not need. 0, even if the
** fork server is gone, which the control socket will say; TINE_ESYSTEM. */
int tine__root_set_up(int control, const int fds[SETUP_FDS], uint32_t seat, uint64_t boot,
                      uint32_t length);

/* If somebody has stopped a root (SIGSTOP), let it go on; it does the same for fork servers. To be
** called now and then, and when a fork server owes an answer. Never waits. */
void tine__root_rouse(void);

/* How often this process was forked, in ways that keep its memory, since the root was taken: 0 in
** the process that took it. A handle made at another count is being used in a forked child of its
** owner. In such a child the roots' sockets are closed, and whatever tine__root_watch closes; other
** memory and descriptors of pools stay until it ends or executes another program. */
unsigned tine__root_generation(void);
/* In a worker whose fork server has run other code (a preload): the pools that this has made are
** the fork server's, as in a forked child those of its parent. */
void tine__root_disown(void);

/* Have `close` called with `arg` in forked children of the program, to close descriptors that these
** must not hold. Returns a handle for tine__root_unwatch; NULL: out of memory. */
struct root_watch;
struct root_watch *tine__root_watch(void (*close)(void *arg), void *arg);
void tine__root_unwatch(struct root_watch *w);

#endif
