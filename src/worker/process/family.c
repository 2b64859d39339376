#include "worker/process/family.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/sys.h"
#include "worker/process/process.h"

#define MARK ((rlim_t)1 << 60) /* microseconds; plus server << PID_BITS | worker */
#define PID_BITS 24
#define PIDS (1 << 22) /* the kernel gives no higher ones */

/* --- the mark --- */

static rlim_t mark_of(pid_t server, pid_t worker) {
    return MARK + ((rlim_t)server << PID_BITS) + (rlim_t)worker;
}

bool tine__family_is_mark(rlim_t limit) {
    return limit >= MARK && limit < 2 * MARK;
}

void tine__family_mark(pid_t server, pid_t worker) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) == -1)
        return;
    if (limit.rlim_cur != RLIM_INFINITY && !tine__family_is_mark(limit.rlim_cur))
        return; /* the program has set a limit: then there is no mark, only parents */
    limit.rlim_cur = mark_of(server, worker);
    setrlimit(RLIMIT_RTTIME, &limit); /* refused if the hard limit is lower: likewise */
}

/* Does this process carry the mark of that worker, or (`worker` 0) of any
** worker of that fork server? */
static bool is_marked(pid_t process, pid_t server, pid_t worker) {
    struct rlimit limit;
    if (!server || prlimit(process, RLIMIT_RTTIME, NULL, &limit) == -1)
        return false;
    if (worker)
        return limit.rlim_cur == mark_of(server, worker);
    return limit.rlim_cur >> PID_BITS == mark_of(server, 0) >> PID_BITS;
}

/* --- lists of pids --- */

static bool add(struct toll *p, pid_t pid) {
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 64;
        pid_t *list = sys.realloc(p->pids, room * sizeof *list);
        if (!list)
            return false;
        p->pids = list;
        p->room = room;
    }
    p->pids[p->n++] = pid;
    return true;
}

static bool contains(const struct toll *p, pid_t pid) {
    for (size_t i = 0; i < p->n; i++)
        if (p->pids[i] == pid)
            return true;
    return false;
}

void tine__toll_strike(struct toll *t, pid_t pid) {
    for (size_t i = 0; i < t->n; i++)
        if (t->pids[i] == pid)
            t->pids[i--] = t->pids[--t->n];
}

/* Signal 0 only asks. If another process has taken such a pid since, we merely wait longer. */
size_t tine__toll_look(struct toll *t) {
    for (size_t i = 0; i < t->n; i++)
        if (kill(t->pids[i], 0) == -1 && errno == ESRCH)
            t->pids[i--] = t->pids[--t->n];
    return t->n;
}

void tine__toll_free(struct toll *t) {
    free(t->pids);
    *t = (struct toll){0};
}

/* --- what /proc says --- */

/* Does /proc show our pids? One of another namespace has another pid for us, or none. */
static bool proc_is_ours(void) {
    char self[16];
    ssize_t n = readlink("/proc/self", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    return atoi(self) == getpid();
}

/* The parent of a living process, and when it started (in ticks since the boot); -1: there is no
** such process, or it is a zombie. */
static pid_t birth_of(pid_t pid, unsigned long long *start) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = tine__fd_open(path, O_RDONLY);
    if (fd == -1)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    tine__close(&fd);
    text[n > 0 ? n : 0] = '\0';
    const char *p = strrchr(text, ')'); /* the name before it may contain anything */
    char state;
    int parent;
    if (!p ||
        sscanf(p + 1,
               " %c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
               &state, &parent, start) != 3 ||
        state == 'Z' || state == 'X')
        return -1;
    return parent;
}

static pid_t parent_of(pid_t pid) {
    unsigned long long start;
    return birth_of(pid, &start);
}

/* --- children by the kernel's lists (if built with CONFIG_PROC_CHILDREN) --- */

static bool add_children_of_thread(struct toll *out, pid_t pid, const char *thread) {
    char path[96];
    int child;
    snprintf(path, sizeof path, "/proc/%d/task/%.20s/children", (int)pid, thread);
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    while (fscanf(f, "%d", &child) == 1 && add(out, child))
        ;
    fclose(f);
    return true;
}

/* Add the children of all its threads. False: there are no such lists. */
static bool add_children(struct toll *out, pid_t pid) {
    char path[64];
    bool listed = false;
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *dir = opendir(path);
    struct dirent *e;
    while (dir && (e = readdir(dir)) != NULL)
        if (isdigit((unsigned char)e->d_name[0]))
            listed |= add_children_of_thread(out, pid, e->d_name);
    if (dir)
        closedir(dir);
    return listed;
}

/* --- children by a census of all processes: works everywhere, but is slower --- */

struct census {
    struct toll pids, parents; /* of the same length */
};

/* Processes for which there is no memory are not seen. */
static void take_census(struct census *c) {
    DIR *dir = opendir("/proc");
    struct dirent *e;
    while (dir && (e = readdir(dir)) != NULL) {
        pid_t pid = isdigit((unsigned char)e->d_name[0]) ? (pid_t)atoi(e->d_name) : 0;
        pid_t parent = pid ? parent_of(pid) : -1;
        if (parent > 0 && (!add(&c->parents, parent) || !add(&c->pids, pid)))
            break;
    }
    if (dir)
        closedir(dir);
}

static void add_counted_children(struct toll *out, const struct census *c, pid_t parent) {
    for (size_t i = 0; i < c->pids.n; i++)
        if (c->parents.pids[i] == parent)
            add(out, c->pids.pids[i]);
}

/* --- a family --- */

struct family {
    bool all;             /* all children of this process are members; or: */
    pid_t server, worker; /* those with this mark are (worker 0: of any worker) */
    pid_t head;           /* known to belong: a child, or (the guard's) the parent; 0: none */
    int signal;           /* sent to each member when it is found */
    struct toll members;  /* members that were signalled */
    struct toll handles;  /* a pidfd of each; -1: a child of ours, or there are no pidfds */
    struct toll others;   /* processes that may not be signalled */
};

static void free_family(struct family *f) {
    for (size_t i = 0; i < f->handles.n; i++)
        tine__close(&f->handles.pids[i]);
    tine__toll_free(&f->handles);
    tine__toll_free(&f->members);
    tine__toll_free(&f->others);
}

/* `fd` -1: signal by pid. */
static int signal_one(pid_t pid, int fd, int signal) {
    return fd == -1 ? kill(pid, signal) : (int)syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0);
}

static bool remember(struct family *f, pid_t pid, int fd) {
    if (!add(&f->handles, fd))
        return false;
    if (add(&f->members, pid))
        return true;
    f->handles.n--;
    return false;
}

/* Add a process and signal it, by a pidfd; while that is open no other process can take the
** pid, so a look at the parent then shows whether it is the one we mean. `parent` 0: it is
** known to be a child of ours. */
static void join(struct family *f, pid_t pid, pid_t parent) {
    if (pid == getpid() || contains(&f->members, pid) || contains(&f->others, pid))
        return;
    int fd = parent ? tine__fd_pidfd(pid) : -1;
    if (parent && parent_of(pid) != parent) {
        tine__close(&fd);
        return;
    }
    if (signal_one(pid, fd, f->signal) == 0) {
        if (remember(f, pid, fd))
            return;
        signal_one(pid, fd, SIGKILL); /* no memory to remember it */
    } else if (errno == EPERM) {
        add(&f->others, pid);
    }
    tine__close(&fd);
}

/* Add those of our own children that belong to the family. */
static void join_ours(struct family *f, const struct toll *children) {
    for (size_t i = 0; i < children->n; i++) {
        pid_t pid = children->pids[i];
        if (f->all || is_marked(pid, f->server, f->worker))
            join(f, pid, 0);
    }
}

/* Find members by their parents. False: /proc cannot be read, or is not ours. */
static bool look_in_proc(struct family *f) {
    struct census c = {0};
    struct toll children = {0};
    if (!proc_is_ours())
        return false;
    bool listed = add_children(&children, getpid());
    if (!listed) {
        take_census(&c);
        add_counted_children(&children, &c, getpid());
    }
    join_ours(f, &children);
    for (size_t i = 0; i < f->members.n; i++) {
        pid_t parent = f->members.pids[i];
        children.n = 0;
        if (listed)
            add_children(&children, parent);
        else
            add_counted_children(&children, &c, parent);
        for (size_t k = 0; k < children.n; k++)
            join(f, children.pids[k], parent);
    }
    tine__toll_free(&children);
    tine__toll_free(&c.pids);
    tine__toll_free(&c.parents);
    return true;
}

/* The pid given out last; they are given out in order. */
static pid_t newest_pid(void) {
    pid_t pid = sys.fork();
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        tine__process_reap(pid);
    return pid > 0 ? pid : PIDS;
}

/* Find members by the mark, among all possible pids: a microsecond or two for each. */
static void look_everywhere(struct family *f) {
    pid_t server = f->all ? getpid() : f->server, last = newest_pid();
    /* the numbering has started again from the lowest since */
    if (last < (f->worker ? f->worker : server))
        last = PIDS;
    for (pid_t pid = 2; server && pid < last; pid++)
        if (is_marked(pid, server, f->worker))
            join(f, pid, 0);
}

/* Find the members that exist now. Returns how many are new. */
static size_t look(struct family *f) {
    size_t before = f->members.n;
    if (f->head)
        join(f, f->head, 0);
    if (!look_in_proc(f))
        look_everywhere(f);
    return f->members.n - before;
}

/* Kill the stopped members that still exist: one whose parent stopped a moment later may have been
** reaped by it, and its pid taken by another process. */
static void kill_members(struct family *f, struct toll *toll) {
    /* the first one last: its death may be ours (fork/preload.c) */
    for (size_t i = f->members.n; i-- > 0;) {
        pid_t pid = f->members.pids[i];
        if (signal_one(pid, f->handles.pids[i], SIGKILL) == 0 && toll && !contains(toll, pid))
            add(toll, pid);
    }
    free_family(f);
}

static void kill_family(struct family *f, struct toll *toll) {
    f->signal = SIGSTOP;
    while (look(f) > 0) /* a process that stops now may have forked just before */
        ;
    if (toll)
        toll->refused |= f->others.n > 0;
    kill_members(f, toll);
}

void tine__family_kill(struct toll *t, pid_t pid, bool reaped) {
    struct family f = {.server = getpid(), .worker = pid, .head = reaped ? 0 : pid};
    kill_family(&f, t);
}

void tine__family_kill_pool(pid_t pid) {
    struct family f = {.server = pid};
    kill_family(&f, NULL);
}

void tine__family_kill_all(struct toll *t) {
    struct family f = {.all = true};
    kill_family(&f, t);
}

void tine__family_kill_tree(pid_t pid) {
    struct family f = {.server = pid, .head = pid};
    kill_family(&f, NULL);
}

/* --- what a task has started --- */

#define MOMENT 1000000 /* ns */
#define MOMENTS 2000   /* at most this many */

static uint64_t clock_ns(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* As ticks since the boot, the unit of /proc. */
static unsigned long long in_ticks(uint64_t since) {
    uint64_t past = clock_ns(CLOCK_MONOTONIC) - since;
    return (clock_ns(CLOCK_BOOTTIME) - past) / (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* Add those children of `parent` that have started since then, and belong to
** worker `worker` (0: all). */
static void join_since(struct family *f, pid_t parent, pid_t worker, unsigned long long since) {
    struct toll children = {0};
    add_children(&children, parent);
    for (size_t i = 0; i < children.n; i++) {
        unsigned long long start = 0;
        pid_t pid = children.pids[i];
        if (birth_of(pid, &start) == parent && start >= since &&
            (!worker || is_marked(pid, parent, worker)))
            join(f, pid, parent);
    }
    tine__toll_free(&children);
}

static void await_deaths(const struct toll *t) {
    const struct timespec moment = {0, MOMENT};
    size_t i = 0;
    for (int n = 0; i < t->n && n < MOMENTS; n++) {
        while (i < t->n && parent_of(t->pids[i]) == -1)
            i++;
        if (i < t->n)
            nanosleep(&moment, NULL);
    }
}

void tine__family_kill_since(uint64_t since) {
    struct family f = {.signal = SIGSTOP};
    struct toll dead = {0};
    unsigned long long ticks = in_ticks(since);
    size_t before;
    if (!proc_is_ours())
        return;
    do { /* a process that stops now may have forked just before */
        before = f.members.n;
        join_since(&f, getpid(), 0, ticks);
        join_since(&f, getppid(), getpid(), ticks);
        for (size_t i = 0; i < f.members.n; i++)
            join_since(&f, f.members.pids[i], 0, ticks);
    } while (f.members.n > before);
    kill_members(&f, &dead);
    await_deaths(&dead);
    tine__toll_free(&dead);
}

void tine__family_signal(pid_t pid, int signal) {
    struct family f = {.server = getpid(), .worker = pid, .head = pid, .signal = signal};
    look(&f);
    free_family(&f);
}
