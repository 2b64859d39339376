/* Family: how a process of ours is killed and waited for, with all that descends from it.
**
** A worker that is killed while a task waits for a program must not leave the program behind, and its end is
** told only when both are gone. So:
**
**   - A child of ours is signalled by its pid, which is nobody else's until we have reaped it. That needs
**     nothing but kill(2).
**   - Its descendants are found in /proc by their parents, if that /proc is ours (another pid namespace's
**     tells of strangers). A pid that was read there is signalled through a pidfd, after another look at
**     its parent: never a process that is not known to be a descendant. The pidfd is kept until the process
**     has been killed, too.
**   - A process whose parent has ended is given to the fork server (a subreaper), and when that has ended to
**     the root; there the trace of parents is lost. Therefore fork servers and workers carry a mark that all
**     their descendants inherit, whatever they do: a soft limit on real-time processing that no process can
**     reach (RLIMIT_RTTIME: 2^60 microseconds and the pids of fork server and worker), which nothing else
**     looks at. Where /proc cannot be read, all pids are asked for it.
**   - What may not be signalled (a setuid program) is left alone and not waited for. Nothing is waited for
**     without bound.
*/
#ifndef TINE_WORKER_PROCESS_FAMILY_H
#define TINE_WORKER_PROCESS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Whose death is awaited: members that were sent SIGKILL. */
struct toll {
    pid_t *pids;
    size_t n, room;
    bool refused; /* some may not be killed, and are not in the list */
};

/* By a fork server (`worker` 0) and by a worker: mark this process and its descendants to come. */
void tine__family_mark(pid_t server, pid_t worker);
/* Is this soft limit such a mark? */
bool tine__family_is_mark(rlim_t limit);

/* By the fork server: kill worker `pid` and its descendants; when it is `reaped` only these. They are stopped first,
** so that none escapes by forking. Those that will be gone are added to the toll. */
void tine__family_kill(struct toll *t, pid_t pid, bool reaped);
/* Kill all descendants of the calling process. */
void tine__family_kill_all(struct toll *t);
/* By the root: kill what fork server `pid`, which has ended, has left behind. */
void tine__family_kill_pool(pid_t pid);
/* Kill process `pid`, the parent of this one, and its descendants but us. */
void tine__family_kill_tree(pid_t pid);
/* By a worker: kill the programs that were started since then (ns of the clock) by it, or by what it has started, and
** wait until they are gone, for two seconds at most. Where /proc is not to be had none are known. */
void tine__family_kill_since(uint64_t since);
/* Send a signal to worker `pid` and its descendants, once. */
void tine__family_signal(pid_t pid, int signal);

/* Process `pid` was reaped: nobody waits for it any more. */
void tine__toll_strike(struct toll *t, pid_t pid);
/* Strike also who is gone without us: SIGSTOP takes effect a moment after it was sent, and a parent that was waiting
** may have reaped a killed child in that moment. How many are left. */
size_t tine__toll_look(struct toll *t);
void tine__toll_free(struct toll *t);

#endif
