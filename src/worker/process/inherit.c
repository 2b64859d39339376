#include "worker/process/inherit.h"

#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/sys.h"
#include "base/why.h"
#include "worker/process/family.h"

#define IOPRIO_WHO_PROCESS 1

/* --- hashes (FNV-1a) --- */

#define HASH_START 0xcbf29ce484222325ull

static uint64_t hash(uint64_t h, const void *bytes, size_t n) {
    for (const unsigned char *p = bytes; n > 0; n--, p++)
        h = (h ^ *p) * 0x100000001b3ull;
    return h;
}

/* --- rights --- */

static uint64_t hash_of_groups(void) {
    gid_t few[64], *list = few;
    int n = getgroups(0, NULL);
    if (n > 64 && !(list = sys.malloc((size_t)n * sizeof *list)))
        return 0;
    n = getgroups(n, list);
    uint64_t h = n > 0 ? hash(HASH_START, list, (size_t)n * sizeof *list) : HASH_START;
    if (list != few)
        free(list);
    return h;
}

static uint64_t bit_of(int signal) {
    return (uint64_t)1 << (signal - 1);
}

static uint64_t ask_ignored(void) {
    uint64_t set = 0;
    struct sigaction a;
    for (int s = 1; s <= 64; s++)
        if (s != SIGCHLD && sigaction(s, NULL, &a) == 0 && !(a.sa_flags & SA_SIGINFO) &&
            a.sa_handler == SIG_IGN)
            set |= bit_of(s);
    return set;
}

/* Found with the rights, since it is in the same file. */
struct aside {
    uint64_t ignored; /* signals */
    mode_t umask;     /* umask() would change it, and the program may have threads */
};

/* The number after `name` in a status file; `other`: there is none. */
static uint64_t number_of(const char *status, const char *name, int base, uint64_t other) {
    const char *at = strstr(status, name);
    return at ? strtoull(at + strlen(name), NULL, base) : other;
}

/* Read from /proc, at once, what would take a hundred system calls. False: it is not there. */
static bool read_status(struct rights *r, struct aside *aside) {
    char text[4096];
    const char *status = tine__fd_text("/proc/thread-self/status", text, sizeof text);
    aside->umask = (mode_t)number_of(status, "Umask:", 8, 022);
    if (!strstr(status, "CapBnd:") || !strstr(status, "SigIgn:"))
        return false;
    aside->ignored = number_of(status, "SigIgn:", 16, 0) & ~bit_of(SIGCHLD);
    r->bounding = number_of(status, "CapBnd:", 16, 0);
    r->filters = number_of(status, "Seccomp_filters:", 10, 0);
    return true;
}

static void ask_bounding(struct rights *r) {
    for (int c = 0, has; c < 64 && (has = prctl(PR_CAPBSET_READ, c, 0, 0, 0)) != -1; c++)
        r->bounding |= (uint64_t)has << c;
}

static void get_capabilities(struct rights *r) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {{0, 0, 0}, {0, 0, 0}};
    if (syscall(SYS_capget, &head, data) == 0) {
        r->effective = data[0].effective | (uint64_t)data[1].effective << 32;
        r->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
        r->inheritable = data[0].inheritable | (uint64_t)data[1].inheritable << 32;
    }
    uint64_t may_be_ambient = r->permitted & r->inheritable;
    for (int c = 0; c < 64 && may_be_ambient >> c; c++)
        if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, c, 0, 0) == 1)
            r->ambient |= (uint64_t)1 << c;
}

static void look_around(struct rights *r, struct aside *aside) {
    uid_t u[3] = {0};
    gid_t g[3] = {0};
    struct stat st = {0};
    memset(r, 0, sizeof *r);
    getresuid(&u[0], &u[1], &u[2]);
    getresgid(&g[0], &g[1], &g[2]);
    for (int i = 0; i < 3; i++) {
        r->user[i] = u[i];
        r->group[i] = g[i];
    }
    r->groups = hash_of_groups();
    get_capabilities(r);
    if (!read_status(r, aside)) {
        ask_bounding(r);
        aside->ignored = ask_ignored();
    }
    r->no_new_privs = (uint64_t)(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
    r->seccomp = (uint64_t)(prctl(PR_GET_SECCOMP, 0, 0, 0, 0) > 0);
    if (stat("/", &st) == 0) {
        r->root[0] = st.st_dev;
        r->root[1] = st.st_ino;
    }
}

void tine__rights_of(struct rights *r) {
    struct aside aside;
    look_around(r, &aside);
}

/* --- station --- */

static uint64_t hash_of_file(const char *path) {
    char text[4096];
    tine__fd_text(path, text, sizeof text);
    return *text ? hash(HASH_START, text, strlen(text)) : 0;
}

void tine__station_of(struct station *s) {
    static const char *const namespaces[] = {"mnt", "user", "pid_for_children", "net", "ipc"};
    uint64_t label = hash_of_file("/proc/thread-self/attr/current");
    uint64_t all = hash(HASH_START, &label, sizeof label);
    int folder = tine__fd_open("/proc/thread-self/ns", O_PATH | O_DIRECTORY);
    for (size_t i = 0; folder != -1 && i < sizeof namespaces / sizeof *namespaces; i++) {
        char name[64]; /* "net:[4026531840]" */
        ssize_t n = readlinkat(folder, namespaces[i], name, sizeof name);
        all = hash(all, name, n > 0 ? (size_t)n : 0);
    }
    tine__close(&folder);
    s->confines = all;
    s->group[0] = hash_of_file("/proc/thread-self/cgroup");
    s->group[1] = (uint64_t)getsid(0);
    s->group[2] = (uint64_t)getpgrp();
}

/* --- noting --- */

void tine__inherit_note(struct inherit *i) {
    struct sched_param param = {0};
    struct aside aside;
    memset(i, 0, sizeof *i);
    look_around(&i->rights, &aside);
    i->ignored = aside.ignored;
    i->umask = aside.umask;
    for (int k = 0; k < RLIM_NLIMITS; k++)
        getrlimit(k, &i->limits[k]);
    i->nice = getpriority(PRIO_PROCESS, 0);
    i->policy = sched_getscheduler(0);
    if (sched_getparam(0, &param) == 0)
        i->priority = param.sched_priority;
    i->io = (int32_t)syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0);
    i->ncpus = sched_getaffinity(0, sizeof i->cpus, &i->cpus) == 0 ? sizeof i->cpus : 0;
}

/* --- taking over --- */

static void set_capabilities(const struct rights *r) {
    struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2] = {
        {(uint32_t)r->effective, (uint32_t)r->permitted, (uint32_t)r->inheritable},
        {(uint32_t)(r->effective >> 32), (uint32_t)(r->permitted >> 32),
         (uint32_t)(r->inheritable >> 32)}};
    syscall(SYS_capset, &head, data); /* what that has not done is noticed afterwards */
}

/* Give up rights that `theirs` lacks. Bounding set and ambient set first, since
** that needs a capability. */
static void give_up(const struct rights *ours, const struct rights *theirs) {
    struct rights less = {.effective = ours->effective & theirs->effective,
                          .permitted = ours->permitted & theirs->permitted,
                          .inheritable = ours->inheritable & theirs->inheritable};
    for (int c = 0; c < 64; c++) {
        uint64_t bit = (uint64_t)1 << c;
        if (ours->ambient & ~theirs->ambient & bit)
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_LOWER, c, 0, 0);
        if (ours->bounding & ~theirs->bounding & bit)
            prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
    }
    set_capabilities(&less);
    if (theirs->no_new_privs)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static bool is_one_of(uint64_t id, const uint64_t ids[3]) {
    return id == ids[0] || id == ids[1] || id == ids[2];
}

/* Which rights are there that the program has not? NULL: none. */
static const char *excess(const struct rights *ours, const struct rights *theirs) {
    for (int i = 0; i < 3; i++)
        if (!is_one_of(ours->user[i], theirs->user) || !is_one_of(ours->group[i], theirs->group))
            return "another user or group";
    if (ours->groups != theirs->groups)
        return "other supplementary groups";
    if (((ours->permitted | ours->effective) & ~theirs->permitted) ||
        ours->bounding & ~theirs->bounding)
        return "more capabilities";
    if (ours->no_new_privs < theirs->no_new_privs || ours->seccomp < theirs->seccomp)
        return "less confinement (no_new_privs, seccomp)";
    if (memcmp(ours->root, theirs->root, sizeof ours->root) != 0)
        return "another root directory";
    return NULL;
}

static int take_rights(const struct rights *theirs) {
    struct rights ours;
    tine__rights_of(&ours);
    if (!memcmp(&ours, theirs, sizeof ours))
        return 0;
    give_up(&ours, theirs);
    tine__rights_of(&ours);
    const char *what = excess(&ours, theirs);
    if (!what)
        return 0;
    tine__why(EPERM, "workers would have %s than the program, which gave up rights since", what);
    return TINE_ESYSTEM;
}

/* The root's limits, which fork servers inherit. */
static struct rlimit roots[RLIM_NLIMITS];
static bool known;

void tine__inherit_start(void) {
    known = true;
    for (int k = 0; k < RLIM_NLIMITS; k++)
        known &= getrlimit(k, &roots[k]) == 0;
}

/* As far as possible: a hard limit can be lowered, and only few may raise it. */
static void take_limits(const struct rlimit *limits) {
    for (int k = 0; k < RLIM_NLIMITS; k++) {
        struct rlimit now, want = limits[k];
        bool free = want.rlim_cur == RLIM_INFINITY || tine__family_is_mark(want.rlim_cur);
        bool same = known && k != RLIMIT_RTTIME && !memcmp(&roots[k], &want, sizeof want);
        if (same || (k == RLIMIT_RTTIME && free) || getrlimit(k, &now) == -1)
            continue;
        if (!memcmp(&now, &want, sizeof now) || setrlimit(k, &want) == 0)
            continue;
        want.rlim_max = want.rlim_max < now.rlim_max ? want.rlim_max : now.rlim_max;
        want.rlim_cur = want.rlim_cur < want.rlim_max ? want.rlim_cur : want.rlim_max;
        setrlimit(k, &want);
    }
}

int tine__inherit_take(const struct inherit *i, bool executed) {
    const struct sched_param param = {.sched_priority = i->priority};
    umask((mode_t)i->umask);
    if (i->ncpus)
        sched_setaffinity(0, sizeof i->cpus, &i->cpus);
    if (i->policy >= 0 && i->policy != sched_getscheduler(0))
        sched_setscheduler(0, i->policy, &param);
    if (i->nice != getpriority(PRIO_PROCESS, 0))
        setpriority(PRIO_PROCESS, 0, i->nice);
    if (i->io >= 0 && i->io != syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0))
        syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, i->io);
    take_limits(i->limits);
    /* last, since what is above may need some of these rights */
    return executed ? take_rights(&i->rights) : 0;
}
