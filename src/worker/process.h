/* Process: what each of our processes makes of the state it inherited: descriptors, signals, title,
** the end of the process.
*/
#ifndef TINE_WORKER_PROCESS_H
#define TINE_WORKER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Close all descriptors from 3 on but these (-1 entries are skipped). Sorts `keep`. */
void tine__process_keep(int *keep, size_t n);

/* Make 0, 1 and 2 /dev/null. Only then are descriptors from 3 on really what new ones get. 0 or
** TINE_ESYSTEM. */
int tine__process_null(void);

/* All dispositions default, nothing blocked; and nothing that a terminal or a user sends to the whole
** process group ends us: for root and fork servers, which end when the submitter does. */
void tine__process_signals_server(void);
/* All dispositions default, nothing blocked, and SIGINT caught by an empty handler: for workers. Caught
** and not ignored, because what is ignored stays ignored in programs that a task starts. `foreign`: code
** that is not ours has run since tine__process_signals_server, and may have changed any of them. */
void tine__process_signals_worker(bool foreign);
void tine__process_unblock_signals(void);

/* fork with all signals blocked, in the child for it to unblock: what is sent to it before it has its own
** dispositions waits, and is not ignored as we ignore it. */
pid_t tine__process_fork(void);

/* Block SIGCHLD and have it come by a descriptor; -1: errno. */
int tine__process_open_sigchld(void);
/* Empty it: before waitpid, so that no death is missed. */
void tine__process_clear_sigchld(int fd);

/* Show "tine:NAME", for a worker "tine:NAME.ID" (`id` not 0), in ps and top: as the process's name and, as
** far as there is room, in the place of the command line that it inherited. */
void tine__process_title(const char *name, unsigned id);

/* Take all free places that lie scattered over the heap, so that what children allocate lies together: the
** first small thing in each place would cost them a copy of its page. */
void tine__process_use_up_heap(void);

/* From now on exit(3) ends this process after flushing what was printed, without the exit handlers
** of the program that it was forked from. Once for each process tree. 0 or TINE_ESYSTEM. */
int tine__process_own_exit(void);

/* Flush all streams and _exit. */
_Noreturn void tine__process_exit(int code);

/* True in a child that somebody else's code forked from this process (a task that calls fork): it
** must not go on as if it were us. Needs tine__process_own_exit; set to false by
** tine__process_is_ours in a process of ours. */
bool tine__process_is_foreign(void);
void tine__process_is_ours(void);

#endif
