/* Process: what each of Tine's processes does with what it inherited: standard streams, signals,
** title, exit.
**
** This folder serves any of Tine's processes, be it root, fork server or worker, and knows neither
** which one it is in nor what that does: what the process has of the program (inherit.h), its
** descendants (family.h), how it prints (output.h). (For descriptors see base/fd.h.)
*/
#ifndef TINE_WORKER_PROCESS_PROCESS_H
#define TINE_WORKER_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "worker/process/inherit.h"

/* Make descriptors 0, 1 and 2 /dev/null, or a substitute. 0 or TINE_ESYSTEM. */
int tine__process_null(void);

/* For root and fork servers, which end when the submitter does: all signal dispositions default,
** nothing blocked; but what a terminal or a user sends to the whole process group is ignored. */
void tine__process_signals_server(void);
/* For workers: all dispositions default, nothing blocked, SIGINT caught by an empty handler; and
** what the program ignores is ignored. (SIGINT is caught because an ignored signal stays ignored in
** programs that a task starts.) `foreign`: code that is not Tine's has run since
** tine__process_signals_server, and may have changed any disposition. */
void tine__process_signals_worker(bool foreign, const struct inherit *i);
void tine__process_unblock_signals(void);
void tine__process_block_signals(void);

/* fork with all signals blocked; the child unblocks them. So a signal that comes before the child
** has its own dispositions waits, and is not ignored as the parent would. */
pid_t tine__process_fork(void);

/* The same; but code that waits for any child, as a preload may, never meets this one. */
pid_t tine__process_fork_unseen(void);

/* Wait until this child has ended, whatever signals come meanwhile. */
void tine__process_reap(pid_t pid);
/* Have the kernel kill this process when its parent dies. (The kernel means the parent's thread
** that forked; the parent has no other threads.) */
void tine__process_tie(pid_t parent);

/* Block SIGCHLD and return a descriptor that is readable when it comes; -1: errno. */
int tine__process_open_sigchld(void);
/* Clear that descriptor. To be called before waitpid, so that no death is missed. */
void tine__process_clear_sigchld(int fd);

/* Show "tine:NAME", for a worker (`id` not 0) "tine:NAME.ID", in ps and top: as the process's name,
** and in place of the inherited command line as far as there is room. */
void tine__process_title(const char *name, unsigned id);

/* Use up the free pieces scattered over the heap, so that what children allocate lies together: a
** small allocation in each free piece would cost them a copy of its page. */
void tine__process_use_up_heap(void);

/* In a root: from now on exit(3) ends this process after flushing the streams, without running exit
** handlers of the program that it was forked from; and forks by other code are counted, from 0.
** Both hold for all processes that descend from it. 0 or TINE_ESYSTEM. */
int tine__process_own_exit(void);

/* Resident bytes of this process; 0: unknown. */
uint64_t tine__process_memory(void);

/* Flush all streams and _exit. */
_Noreturn void tine__process_exit(int code);

/* How many forks by other code (a task that calls fork) are between the root and this process. In a
** child where it is more than it was, what the parent did must not go on. */
unsigned tine__process_forks(void);
static inline bool process_is_foreign(void) {
    return tine__process_forks() > 0;
}

#endif
