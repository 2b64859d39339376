#include "worker/family.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "base/sys.h"

#define MARK ((rlim_t)1 << 60) /* microseconds; to be added: server << PID_BITS | worker */
#define PID_BITS 24            /* pids have 22 at most */

static rlim_t mark_of(pid_t server, pid_t worker) {
    return MARK + ((rlim_t)server << PID_BITS) + (rlim_t)worker;
}

void tine__family_mark(pid_t server, pid_t worker) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_RTTIME, &limit) == -1)
        return;
    limit.rlim_cur = mark_of(server, worker);
    setrlimit(RLIMIT_RTTIME, &limit); /* refused below a lower hard limit: then parents must do */
}

/* Does this process carry the mark of that worker, or (`worker` 0) one of that fork server? */
static bool is_marked(pid_t process, pid_t server, pid_t worker) {
    struct rlimit limit;
    if (!server || prlimit(process, RLIMIT_RTTIME, NULL, &limit) == -1)
        return false;
    if (worker)
        return limit.rlim_cur == mark_of(server, worker);
    return limit.rlim_cur >> PID_BITS == mark_of(server, 0) >> PID_BITS;
}

/* --- lists of pids --- */

struct pids {
    pid_t *list;
    size_t n, room;
};

static bool add(struct pids *p, pid_t pid) {
    if (p->n == p->room) {
        size_t room = p->room ? 2 * p->room : 64;
        pid_t *list = sys.realloc(p->list, room * sizeof *list);
        if (!list)
            return false;
        p->list = list;
        p->room = room;
    }
    p->list[p->n++] = pid;
    return true;
}

static bool contains(const struct pids *p, pid_t pid) {
    for (size_t i = 0; i < p->n; i++)
        if (p->list[i] == pid)
            return true;
    return false;
}

/* --- children, as the kernel lists them (where it was built with CONFIG_PROC_CHILDREN) --- */

static bool add_children_of_thread(struct pids *out, pid_t pid, const char *thread) {
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

/* Of this process, which has one thread. False: there are no such lists. */
static bool add_own_children(struct pids *out) {
    char thread[16];
    snprintf(thread, sizeof thread, "%d", (int)getpid());
    return add_children_of_thread(out, getpid(), thread);
}

/* False: there are no such lists. */
static bool add_children(struct pids *out, pid_t pid) {
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

/* --- children, from a census of all processes: anywhere, but slower --- */

struct census {
    struct pids pids, parents; /* of the same length */
};

/* Parent of a living process; -1: none, or it is a zombie. */
static pid_t parent_of(const char *pid) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    int fd = sys.open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1)
        return -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    tine__close(&fd);
    text[n > 0 ? n : 0] = '\0';
    const char *p = strrchr(text, ')'); /* the name before it may hold anything */
    char state;
    int parent;
    if (!p || sscanf(p + 1, " %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
        return -1;
    return parent;
}

/* What does not fit into memory is not seen. */
static void take_census(struct census *c) {
    DIR *dir = opendir("/proc");
    struct dirent *e;
    while (dir && (e = readdir(dir)) != NULL) {
        pid_t parent = isdigit((unsigned char)e->d_name[0]) ? parent_of(e->d_name) : -1;
        if (parent > 0 && (!add(&c->parents, parent) || !add(&c->pids, (pid_t)atoi(e->d_name))))
            break;
    }
    if (dir)
        closedir(dir);
}

static void add_counted_children(struct pids *out, const struct census *c, pid_t parent) {
    for (size_t i = 0; i < c->pids.n; i++)
        if (c->parents.list[i] == parent)
            add(out, c->pids.list[i]);
}

/* --- a family --- */

struct family {
    bool all;             /* all children of this process are members, or: */
    pid_t server, worker; /* those that carry this mark are (worker 0: of any worker) */
    struct pids members;
    int signal; /* what each is sent when it is found */
};

static void join(struct family *f, pid_t pid) {
    if (pid == getpid() || contains(&f->members, pid))
        return;
    kill(pid, f->signal);
    if (!add(&f->members, pid))
        kill(pid, SIGKILL); /* no memory to remember it by */
}

/* Of our own children: those that belong to it. */
static void join_ours(struct family *f, const struct pids *children) {
    for (size_t i = 0; i < children->n; i++) {
        pid_t pid = children->list[i];
        if (f->all || pid == f->worker || is_marked(pid, f->server, f->worker))
            join(f, pid);
    }
}

/* Find the members that there are just now. How many of them are new. */
static size_t look(struct family *f) {
    size_t before = f->members.n;
    struct census c = {0};
    struct pids children = {0};
    bool listed = add_own_children(&children);
    if (!listed) {
        take_census(&c);
        add_counted_children(&children, &c, getpid());
    }
    join_ours(f, &children);
    for (size_t i = 0; i < f->members.n; i++) {
        children.n = 0;
        if (listed)
            add_children(&children, f->members.list[i]);
        else
            add_counted_children(&children, &c, f->members.list[i]);
        for (size_t k = 0; k < children.n; k++)
            join(f, children.list[k]);
    }
    free(children.list);
    free(c.pids.list);
    free(c.parents.list);
    return f->members.n - before;
}

static void kill_family(struct family *f) {
    f->signal = SIGSTOP;
    while (look(f) > 0) /* one that stops now may have forked just before */
        ;
    while (f->members.n > 0) /* the eldest last: its death may be ours (preload.c) */
        kill(f->members.list[--f->members.n], SIGKILL);
    free(f->members.list);
}

void tine__family_kill(pid_t pid) {
    struct family f = {.server = getpid(), .worker = pid};
    kill_family(&f);
}

void tine__family_kill_pool(pid_t pid) {
    struct family f = {.server = pid};
    kill_family(&f);
}

void tine__family_kill_all(void) {
    struct family f = {.all = true};
    kill_family(&f);
}

void tine__family_kill_tree(pid_t pid) {
    struct family f = {.signal = SIGSTOP};
    join(&f, pid);
    kill_family(&f);
}

void tine__family_signal(pid_t pid, int signal) {
    struct family f = {.server = getpid(), .worker = pid, .signal = signal};
    look(&f);
    free(f.members.list);
}
