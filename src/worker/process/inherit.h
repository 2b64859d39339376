/* Inherit: what a worker has of the program, and where each part comes from.
**
** A worker never has more rights than the program has when it makes the pool, though the root was
** taken long before.
**
**   what                           a worker has
**   users, groups, capabilities,   the root's. The root is only used while it has exactly those of
**   no_new_privs, seccomp filters, the thread that makes the pool (struct rights); else a new root
**   root directory, namespaces,    is taken. What an executed one gained by exec is given up again;
**   security label                 if it still has more, the pool cannot be made
**   control group, session,        the same, but if no new root can be taken the old one will do
**   process group
**   limits                         the program's (the soft RLIMIT_RTTIME is the mark of family.h)
**   nice, scheduling class, I/O    those of the thread that makes the pool
**   class, affinity
**   umask, working directory,      the program's
**   environment, package paths
**   stdout, stderr                 the program's 1 and 2; /dev/null if closed there
**   stdin                          /dev/null
**   other descriptors              only the pool's own, from 3 on and close-on-exec
**   ignored signals                those that the program ignores, except SIGCHLD: a program that
**                                  wants no zombies does not mean that tasks cannot wait
**   SIGINT                         ignored if ignored there; else caught, and nothing happens
**   other signals                  default; none is blocked
**   timers, memory and file locks  none
**
** All as of the call that makes the pool. The fork server takes it over before anything of the pool
** runs, and workers inherit it from there. The same table for users is in docs/pool.md.
*/
#ifndef TINE_WORKER_PROCESS_INHERIT_H
#define TINE_WORKER_PROCESS_INHERIT_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What a thread may do, as far as system calls tell. Compared as bytes, so it has no padding. */
struct rights {
    uint64_t user[3], group[3]; /* real, effective, saved */
    uint64_t groups;            /* hash of the supplementary groups */
    uint64_t effective, permitted, inheritable, bounding, ambient; /* capabilities */
    uint64_t no_new_privs, seccomp, filters; /* `filters`: their number, if /proc tells */
    uint64_t root[2];                        /* device and inode of "/" */
};

/* Where a process runs: hashes of what /proc tells; 0 if it does not. */
struct station {
    uint64_t confines; /* namespaces, security label */
    uint64_t group[3]; /* control group, session, process group */
};

/* What a fork server takes over. */
struct inherit {
    struct rights rights;
    struct rlimit limits[RLIM_NLIMITS];
    uint64_t ignored; /* bit s-1: signal s */
    int32_t nice, policy, priority, io;
    uint32_t umask;
    uint32_t ncpus; /* bytes in `cpus`, 0: unknown */
    cpu_set_t cpus;
};

/* Of the calling thread and its process. */
void tine__rights_of(struct rights *out);
void tine__station_of(struct station *out);
void tine__inherit_note(struct inherit *out);

/* In the root: note its own limits, which need not be taken over again. */
void tine__inherit_start(void);
/* In the fork server. A forked one was made by a root with exactly the program's rights; an
** `executed` one has what exec gave it. 0, or TINE_ESYSTEM: it has rights that the program has not,
** and cannot give them up (tine__why). */
int tine__inherit_take(const struct inherit *i, bool executed);

static inline bool inherit_ignores(const struct inherit *i, int signal) {
    return i->ignored >> (signal - 1) & 1;
}

#endif
