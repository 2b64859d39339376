/* Inherit: what a worker has of the program, and where each thing comes from.
**
** A worker never has more rights than the program has at the call that makes its pool, though the root was
** taken long before.
**
**   what                               a worker's is
**   users, groups, capabilities,       the root's, which is asked only while it has just those of the thread that makes
**   no_new_privs, seccomp filters,     the pool (struct rights); else a new root is taken. What an executed one
**   root directory, namespaces,        gained by exec is given up again; one that still has more makes no pool
**   security label
**   control group, session,            the same, but where no new root is to be had the old one will do
**   process group
**   limits                             the program's (the soft one of RLIMIT_RTTIME is the mark of family.h)
**   nice, scheduling class, I/O        the thread's that makes the pool
**   class, affinity
**   umask, working directory,          the program's
**   environment, package paths
**   stdout, stderr                     the program's 1 and 2; closed there: /dev/null
**   stdin                              /dev/null
**   other descriptors                  none but the pool's own, from 3 on and close-on-exec
**   ignored signals                    those that the program ignores, but SIGCHLD: who wants no zombies of his
**                                      own does not mean that tasks cannot wait for programs
**   SIGINT                             ignored there: ignored; else caught, and nothing happens
**   other signals                      default; none is blocked
**   timers, memory locks, file locks   none
**
** All as of the call. The fork server takes it over before anything of the pool's runs; workers have it from
** there. The same table for users is in docs/pool.md.
*/
#ifndef TINE_WORKER_PROCESS_INHERIT_H
#define TINE_WORKER_PROCESS_INHERIT_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

/* What a thread may do, as far as system calls tell. Without padding: compared as bytes. */
struct rights {
    uint64_t user[3], group[3]; /* real, effective, saved */
    uint64_t groups;            /* hash of the supplementary ones */
    uint64_t effective, permitted, inheritable, bounding, ambient; /* capabilities */
    uint64_t no_new_privs, seccomp, filters; /* `filters`: how many, where /proc tells */
    uint64_t root[2];                        /* device and inode of "/" */
};

/* Where it is: hashes of what /proc tells, 0 when it does not. */
struct station {
    uint64_t confines; /* namespaces, security label */
    uint64_t group[3]; /* control group, session, process group */
    /* how much it may map (RLIMIT_AS): the root has set aside a part of that (base/slab.h) */
    uint64_t addresses;
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

/* By the root: what is its own now needs no taking over. */
void tine__inherit_start(void);
/* By the fork server. A forked one has the rights of a root that had just those of the program, an `executed` one what
** exec gave it. 0, or TINE_ESYSTEM: it has rights that the program has not, and cannot give them up (tine__why). */
int tine__inherit_take(const struct inherit *i, bool executed);

static inline bool inherit_ignores(const struct inherit *i, int signal) {
    return i->ignored >> (signal - 1) & 1;
}

#endif
