/* Family: a process and all that descends from it, to be ended together.
**
** A worker that is killed while a task waits for a program must not leave the program behind. Descendants
** are found in /proc by their parents. A process whose parent has ended is given to the fork server (a
** subreaper), and when that has ended to the root; there the trace of parents is lost. Therefore
** fork servers and workers carry a mark that all their descendants inherit, whatever they do: a soft
** limit on real-time processing that no process can reach (RLIMIT_RTTIME: 2^60 microseconds and the
** pids of fork server and worker), which nothing else looks at.
*/
#ifndef TINE_WORKER_FAMILY_H
#define TINE_WORKER_FAMILY_H

#include <sys/types.h>

/* By a fork server (`worker` 0) and by a worker: mark this process and its descendants to come. */
void tine__family_mark(pid_t server, pid_t worker);

/* By the fork server: kill worker `pid` (living, or reaped just now) and its descendants. They are
** stopped first, so that none escapes by forking. */
void tine__family_kill(pid_t pid);

/* By the root: kill what fork server `pid`, which has ended, has left behind. */
void tine__family_kill_pool(pid_t pid);

/* Send a signal to worker `pid` and its descendants, once. */
void tine__family_signal(pid_t pid, int signal);

/* Kill process `pid`, which need not be a child of ours, and its descendants but us. */
void tine__family_kill_tree(pid_t pid);

/* Kill all descendants of the calling process. */
void tine__family_kill_all(void);

#endif
