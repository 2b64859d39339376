/* Family: how one of Tine's processes is killed with all its descendants, and waited for.
**
** A worker that is killed while a task waits for a program must not leave the program behind, and
** its end is reported only when both are gone. So:
**
**   - A child is signalled by its pid, which cannot be reused until we have reaped it. That needs
**     nothing but kill(2).
**   - Its descendants are found in /proc by their parents, if that /proc is ours (one of another
**     pid namespace shows other processes). A pid read there is signalled through a pidfd, after
**     another look at its parent: never a process that is not known to be a descendant. The pidfd
**     is kept until the process was killed, too.
**   - A process whose parent has ended becomes a child of the fork server (a subreaper), and when
**     that has ended, of the root; then its origin cannot be told from its parent. So fork servers
**     and workers carry a mark that all their descendants inherit, whatever they do: a soft limit
**     on real-time processing that no process can reach (RLIMIT_RTTIME: 2^60 microseconds plus the
**     pids of fork server and worker), which nothing else looks at. If /proc cannot be read, all
**     pids are checked for the mark.
**   - A process that may not be signalled (a setuid program) is left alone and not waited for.
**     Nothing is waited for without limit.
**
** Each process calls these functions in one thread; nothing is locked.
*/
#ifndef TINE_WORKER_PROCESS_FAMILY_H
#define TINE_WORKER_PROCESS_FAMILY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* Processes whose death is awaited: they were sent SIGKILL. */
struct toll {
    pid_t *pids;
    size_t n, room;
    bool refused; /* some may not be killed, and are not in the list */
};

/* Mark this process, a fork server (`worker` 0) or a worker, and its future descendants. */
void tine__family_mark(pid_t server, pid_t worker);
/* Is this soft limit such a mark? */
bool tine__family_is_mark(rlim_t limit);

/* In the fork server: kill worker `pid` and its descendants; if it is `reaped`, only
** these. All are stopped first, so that none escapes by forking. The processes that will
** die are added to the toll. */
void tine__family_kill(struct toll *t, pid_t pid, bool reaped);
/* Kill all descendants of the calling process. */
void tine__family_kill_all(struct toll *t);
/* In the root: kill what fork server `pid`, which has ended, has left behind. */
void tine__family_kill_pool(pid_t pid);
/* Kill process `pid`, the parent of this one, and its descendants except this process. */
void tine__family_kill_tree(pid_t pid);
/* In a worker: kill the programs that it, or what it started, has started since `since` (ns of the
** clock), and wait until they are gone, for at most two seconds. Without /proc none are known. */
void tine__family_kill_since(uint64_t since);
/* Send a signal once to worker `pid` and its descendants. */
void tine__family_signal(pid_t pid, int signal);

/* Remove process `pid`, which was reaped. */
void tine__toll_strike(struct toll *t, pid_t pid);
/* Remove processes that are gone without our reaping them: SIGSTOP takes effect a moment
** after it was sent, and in that moment a waiting parent may have reaped a killed child.
** Returns how many are left. */
size_t tine__toll_look(struct toll *t);
void tine__toll_free(struct toll *t);

#endif
