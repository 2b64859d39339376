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

/* --- all processes --- */

struct process {
    pid_t pid, parent;
    bool member; /* of the family looked for */
};

struct census {
    struct process *list;
    size_t n, room;
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
    if (n <= 0)
        return -1;
    text[n] = '\0';
    const char *p = strrchr(text, ')'); /* the name before it may hold anything */
    char state;
    int parent;
    if (!p || sscanf(p + 1, " %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X')
        return -1;
    return parent;
}

static bool has_room(struct census *c) {
    if (c->n < c->room)
        return true;
    size_t room = c->room ? 2 * c->room : 256;
    struct process *list = sys.realloc(c->list, room * sizeof *list);
    if (!list)
        return false;
    c->list = list;
    c->room = room;
    return true;
}

/* Count all living processes. What does not fit into memory is not seen. */
static void take_census(struct census *c) {
    DIR *dir = opendir("/proc");
    struct dirent *e;
    c->n = 0;
    while (dir && (e = readdir(dir)) != NULL && has_room(c)) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        pid_t parent = parent_of(e->d_name);
        if (parent > 0)
            c->list[c->n++] = (struct process){(pid_t)atoi(e->d_name), parent, false};
    }
    if (dir)
        closedir(dir);
}

/* --- a family --- */

struct family {
    bool all;             /* all children of this process are members, or: */
    pid_t server, worker; /* those that carry this mark are (worker 0: of any worker) */
    pid_t *list;          /* members found so far */
    size_t n, room;
};

static bool is_member(const struct family *f, pid_t pid) {
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i] == pid)
            return true;
    return false;
}

static bool add(struct family *f, pid_t pid) {
    if (f->n == f->room) {
        size_t room = f->room ? 2 * f->room : 32;
        pid_t *list = sys.realloc(f->list, room * sizeof *list);
        if (!list)
            return false;
        f->list = list;
        f->room = room;
    }
    f->list[f->n++] = pid;
    return true;
}

static bool belongs(const struct family *f, const struct process *p) {
    if (p->pid == getpid())
        return false;
    if (p->parent != getpid())
        return is_member(f, p->parent);
    return f->all || p->pid == f->worker || is_marked(p->pid, f->server, f->worker);
}

/* Add the members in the census that are new, and send each a signal. Their number. */
static size_t find_members(struct family *f, struct census *c, int signal) {
    size_t before = f->n, last;
    do { /* children may stand before their parents */
        last = f->n;
        for (size_t i = 0; i < c->n; i++) {
            struct process *p = &c->list[i];
            if (p->member || !belongs(f, p))
                continue;
            p->member = true;
            if (is_member(f, p->pid))
                continue;
            kill(p->pid, signal);
            if (!add(f, p->pid))
                kill(p->pid, SIGKILL); /* no memory to remember it by */
        }
    } while (f->n > last);
    return f->n - before;
}

static void kill_family(struct family *f) {
    struct census c = {0};
    do /* a process that stops now may have forked just before */
        take_census(&c);
    while (find_members(f, &c, SIGSTOP) > 0);
    while (f->n > 0) /* the eldest last: its death may be ours (preload.c) */
        kill(f->list[--f->n], SIGKILL);
    free(f->list);
    free(c.list);
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
    struct family f = {.all = false};
    kill(pid, SIGSTOP);
    if (!add(&f, pid))
        kill(pid, SIGKILL);
    kill_family(&f);
}

void tine__family_signal(pid_t pid, int signal) {
    struct family f = {.server = getpid(), .worker = pid};
    struct census c = {0};
    take_census(&c);
    find_members(&f, &c, signal);
    free(f.list);
    free(c.list);
}
