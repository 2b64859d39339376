/* Process: what each of our processes makes of what it inherited: standard streams, signals, title, the end of the process.
**
** This folder is about any process of ours, be it root, fork server or worker, and knows neither which it is nor what it
** does: what it has of the program (inherit.h), what descends from it (family.h), how it prints (output.h). (Descriptors:
** base/fd.h.)
*/
#ifndef TINE_WORKER_PROCESS_PROCESS_H
#define TINE_WORKER_PROCESS_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "worker/process/inherit.h"

/* Make 0, 1 and 2 /dev/null, or what can stand for it. 0 or TINE_ESYSTEM. */
int tine__process_null(void);

/* All dispositions default, nothing blocked; and nothing that a terminal or a user sends to the whole
** process group ends us: for root and fork servers, which end when the submitter does. */
void tine__process_signals_server(void);
/* For workers: all dispositions default, nothing blocked, SIGINT caught by an empty handler, and then what the
** program ignores ignored. Caught, because what is ignored stays ignored in programs that a task starts.
** `foreign`: code that is not ours has run since tine__process_signals_server, and may have changed any of
** them. */
void tine__process_signals_worker(bool foreign, const struct inherit *i);
void tine__process_unblock_signals(void);
void tine__process_block_signals(void);

/* fork with all signals blocked, in the child for it to unblock: what is sent to it before it has its own
** dispositions waits, and is not ignored as we ignore it. */
pid_t tine__process_fork(void);

/* Wait until this child of ours has ended, whatever signals come meanwhile. */
void tine__process_reap(pid_t pid);
/* Die when the parent dies, however that happens. It has no threads, so its death and that of the thread that forked us
** are the same. */
void tine__process_tie(pid_t parent);

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

/* Bytes that are resident; 0: not to be had. */
uint64_t tine__process_memory(void);

/* Flush all streams and _exit. */
_Noreturn void tine__process_exit(int code);

/* True in a child that somebody else's code forked from this process (a task that calls fork): it
** must not go on as if it were us. Needs tine__process_own_exit. */
bool tine__process_is_foreign(void);

#endif
