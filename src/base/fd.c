#include "base/fd.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>

#include "base/abstract.h"
#include "base/own.h"
#include "base/sys.h"
#include "base/why.h"

#define LOWEST 3

/* --- which descriptors are ours --- */

/* The table, by descriptor number, in leaves that are allocated when needed and stay. The first
** leaf is static, and large enough for most processes. An entry is written only by whoever makes or
** closes that descriptor, so looking needs no lock. */
#define LEAF 32u
#define LEAVES 32768u

#define UNSEEN UINT64_MAX /* ours, and its file was not looked up, since we are alone */

struct known {
    _Atomic uint64_t inode; /* 0: not ours; or UNSEEN */
    _Atomic uint64_t device;
    _Atomic int ringer; /* of an event: the writing end; 0: not an event */
};

static OWN struct known first_leaf[LEAF];
static _Atomic(struct known *) leaves[LEAVES]; /* all but the first */
static atomic_uint nleaves = 1;                /* number of leaves up to the last one in use */

/* Only our code runs in this process, so nobody else makes or closes descriptors. */
static OWN bool alone;

/* Held while a descriptor is made and noted, while one is forgotten, and during a fork. */
static OWN pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;

static struct known *leaf_at(unsigned i) {
    return i == 0 ? first_leaf : atomic_load_explicit(&leaves[i], memory_order_acquire);
}

static struct known *entry(int fd) {
    if (fd < 0 || (unsigned)fd >= LEAF * LEAVES)
        return NULL;
    struct known *leaf = leaf_at((unsigned)fd / LEAF);
    return leaf ? &leaf[(unsigned)fd % LEAF] : NULL;
}

static struct known *make_entry(int fd) {
    struct known *e = entry(fd), *none = NULL;
    if (e || fd < 0 || (unsigned)fd >= LEAF * LEAVES)
        return e;
    struct known *leaf = sys.calloc(LEAF, sizeof *leaf);
    if (!leaf)
        return NULL;
    if (!atomic_compare_exchange_strong(&leaves[(unsigned)fd / LEAF], &none, leaf))
        free(leaf); /* another thread was first */
    else if (atomic_load(&nleaves) <= (unsigned)fd / LEAF)
        /* no race: `making` is held, or there is one thread */
        atomic_store(&nleaves, (unsigned)fd / LEAF + 1);
    return entry(fd);
}

static bool is_same(const struct known *e, const struct stat *st) {
    return atomic_load_explicit(&e->inode, memory_order_relaxed) == st->st_ino &&
           atomic_load_explicit(&e->device, memory_order_relaxed) == st->st_dev;
}

static void forget(struct known *e) {
    atomic_store_explicit(&e->inode, 0, memory_order_relaxed);
    atomic_store_explicit(&e->ringer, 0, memory_order_relaxed);
}

/* Note which file is behind the descriptor. False: none. */
static bool identify(struct known *e, int fd) {
    struct stat st;
    if (sys.fstat(fd, &st) == -1)
        return false;
    atomic_store_explicit(&e->device, st.st_dev, memory_order_relaxed);
    atomic_store_explicit(&e->inode, st.st_ino, memory_order_relaxed);
    return true;
}

/* Note `fd`, which is open. If that fails it is closed. */
static int note(int fd) {
    struct known *e = make_entry(fd);
    if (e && alone)
        atomic_store_explicit(&e->inode, UNSEEN, memory_order_relaxed);
    if (!e || !(alone || identify(e, fd))) {
        int error = e ? errno : ENOMEM;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool tine__fd_ours(int fd) {
    const struct known *e = entry(fd);
    struct stat st;
    if (alone && e && atomic_load_explicit(&e->inode, memory_order_relaxed))
        return true;
    /* not by sys.fstat: a fault armed there would look as if somebody had replaced the
    ** descriptor */
    if (e && atomic_load_explicit(&e->inode, memory_order_relaxed) && tine__fstat(fd, &st) == 0 &&
        is_same(e, &st))
        return true;
    errno = EBADF;
    return false;
}

/* --- making --- */

/* Move the descriptor above the standard streams, which the program may have closed and may open
** again; and to a number that is not noted as ours. (If it is, somebody else has closed that
** descriptor, and the new one would be taken for it; or its owner has just closed it.) */
static int move_up(int fd) {
    const struct known *e = entry(fd);
    while (fd != -1 &&
           (fd < LOWEST || (e && atomic_load_explicit(&e->inode, memory_order_relaxed)))) {
        int up = sys.fcntl(fd, F_DUPFD_CLOEXEC, fd < LOWEST ? LOWEST : fd + 1);
        int saved = errno;
        close(fd);
        errno = saved;
        fd = up;
        e = entry(fd);
    }
    return fd;
}

/* Close what is behind the descriptor, and behind the writing end of an event, if it is still
** ours. */
static void close_files(int fd) {
    const struct known *e = entry(fd);
    int ringer = e ? atomic_load_explicit(&e->ringer, memory_order_relaxed) : 0;
    if (tine__fd_ours(fd))
        close(fd);
    if (ringer && tine__fd_ours(ringer))
        close(ringer);
}

static void forget_files(int fd) {
    struct known *e = entry(fd);
    int ringer = e ? atomic_load_explicit(&e->ringer, memory_order_relaxed) : 0;
    if (e)
        forget(e);
    if (ringer)
        forget(entry(ringer));
}

/* tine__close with the lock held. */
static void drop(int *fd) {
    int saved = errno;
    close_files(*fd);
    forget_files(*fd);
    *fd = -1;
    errno = saved;
}

static int take(int fd) {
    fd = move_up(fd);
    return fd == -1 ? -1 : note(fd);
}

/* Note both descriptors that a call made, or close both. */
static int take_two(int made, int ends[2]) {
    if (made == -1) {
        ends[0] = ends[1] = -1;
        return -1;
    }
    ends[0] = take(ends[0]);
    int saved = errno;
    ends[1] = take(ends[1]);
    if (ends[0] != -1 && ends[1] != -1)
        return 0;
    errno = ends[0] == -1 ? saved : errno;
    drop(&ends[0]);
    drop(&ends[1]);
    return -1;
}

/* Keep (base/why.h) which call failed and what the limit is. Returns -1. */
static int complain(const char *call) {
    struct rlimit limit;
    int error = errno;
    if (error == EMFILE && getrlimit(RLIMIT_NOFILE, &limit) == 0)
        tine__why(error, "%s: %s (the limit, ulimit -n, is %llu)", call, strerror(error),
                  (unsigned long long)limit.rlim_cur);
    else
        tine__why(error, "%s: %s", call, strerror(error));
    return -1;
}

/* Make a descriptor with the lock held. The calls are short; a fork waits for them. */
#define MAKE(call, expression) \
    pthread_mutex_lock(&making); \
    int made = (expression); \
    pthread_mutex_unlock(&making); \
    return made == -1 ? complain(call) : made

int tine__fd_memfd(const char *name, unsigned flags) {
    MAKE("memfd_create", take(sys.memfd_create(name, flags | MFD_CLOEXEC)));
}

int tine__fd_pair(int ends[2], int type) {
    MAKE("socketpair", take_two(sys.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends), ends));
}

#define SOCKET_FLAGS (SOCK_CLOEXEC | SOCK_NONBLOCK)
#define CALLERS 16 /* most connections waiting to be accepted */

static int listen_at(const char *name) {
    struct sockaddr_un at;
    socklen_t size = abstract_address(&at, name);
    int fd = take(sys.socket(AF_UNIX, SOCK_SEQPACKET | SOCKET_FLAGS, 0));
    if (fd != -1 && (bind(fd, (struct sockaddr *)&at, size) == -1 || listen(fd, CALLERS) == -1))
        drop(&fd);
    return fd;
}

int tine__fd_listen(const char *name) {
    MAKE("socket", listen_at(name));
}

int tine__fd_accept(int listener) {
    MAKE("accept",
         take(tine__fd_ours(listener) ? sys.accept4(listener, NULL, NULL, SOCKET_FLAGS) : -1));
}

int tine__fd_stream(int family) {
    MAKE("socket", take(sys.socket(family, SOCK_STREAM | SOCKET_FLAGS, 0)));
}

int tine__fd_pipe(int ends[2]) {
    MAKE("pipe", take_two(sys.pipe2(ends, O_CLOEXEC), ends));
}

int tine__fd_open(const char *path, int flags) {
    MAKE("open", take(sys.open(path, flags | O_CLOEXEC)));
}

int tine__fd_create(const char *path, int flags) {
    MAKE("open", take(sys.openat(AT_FDCWD, path, flags | O_CREAT | O_CLOEXEC, 0666)));
}

int tine__fd_copy(int from) {
    MAKE("fcntl(F_DUPFD)", take(sys.fcntl(from, F_DUPFD_CLOEXEC, LOWEST)));
}

int tine__fd_move(int *fd, int lowest) {
    pthread_mutex_lock(&making);
    int up = take(sys.fcntl(*fd, F_DUPFD_CLOEXEC, lowest));
    if (up != -1) {
        drop(fd);
        *fd = up;
    }
    pthread_mutex_unlock(&making);
    return up == -1 ? complain("fcntl(F_DUPFD)") : 0;
}

const char *tine__fd_text(const char *path, char *text, size_t size) {
    pthread_mutex_lock(&making);
    int fd = sys.open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd == -1 ? 0 : read(fd, text, size - 1);
    if (fd != -1)
        close(fd);
    pthread_mutex_unlock(&making);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

int tine__fd_pidfd(pid_t pid) {
    MAKE("pidfd_open", take(sys.pidfd_open(pid, 0)));
}

int tine__fd_epoll(void) {
    MAKE("epoll_create", take(sys.epoll_create1(EPOLL_CLOEXEC)));
}

int tine__fd_signals(const void *sigset) {
    MAKE("signalfd", take(sys.signalfd(-1, sigset, SFD_CLOEXEC | SFD_NONBLOCK)));
}

int tine__fd_timer(void) {
    MAKE("timerfd_create", take(sys.timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
}

int tine__fd_null(void) {
    int ends[2], fd = tine__fd_open("/dev/null", O_RDWR);
    if (fd != -1 || tine__fd_pair(ends, SOCK_STREAM) == -1)
        return fd;
    tine__close(&ends[1]);
    return ends[0];
}

static void take_all(struct msghdr *m) {
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        unsigned char *end = (unsigned char *)c + c->cmsg_len;
        for (unsigned char *p = CMSG_DATA(c); (size_t)(end - p) >= sizeof(int); p += sizeof(int)) {
            int fd;
            memcpy(&fd, p, sizeof fd);
            fd = take(fd);
            memcpy(p, &fd, sizeof fd);
        }
    }
}

ssize_t tine__fd_receive(int socket, struct msghdr *m) {
    pthread_mutex_lock(&making);
    ssize_t n = sys.recvmsg(socket, m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n != -1)
        take_all(m);
    pthread_mutex_unlock(&making);
    return n;
}

int tine__fd_adopt(int fd) {
    if (fd == -1)
        return -1;
    pthread_mutex_lock(&making);
    fd = take(fd);
    pthread_mutex_unlock(&making);
    return fd;
}

/* --- using and closing --- */

int tine__fd_resize(int fd, size_t size) {
    struct rlimit limit;
    if (!tine__fd_ours(fd))
        return -1;
    if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && size > limit.rlim_cur) {
        tine__why(EFBIG, "a file of %zu bytes is beyond the limit on file sizes (ulimit -f)", size);
        return -1;
    }
    return sys.ftruncate(fd, (off_t)size) == -1 ? complain("ftruncate") : 0;
}

/* First closed, then forgotten, and not while the program forks: the child gets its descriptors
** first and its memory later, and closes what is noted there. */
void tine__close(int *fd) {
    int saved = errno;
    close_files(*fd);
    if (entry(*fd)) {
        pthread_mutex_lock(&making);
        forget_files(*fd);
        pthread_mutex_unlock(&making);
    }
    *fd = -1;
    errno = saved;
}

/* --- events --- */

static int make_event(void) {
    int ends[2];
    if (take_two(sys.pipe2(ends, O_CLOEXEC | O_NONBLOCK), ends) == -1)
        return -1;
    atomic_store_explicit(&entry(ends[0])->ringer, ends[1], memory_order_relaxed);
    return ends[0];
}

int tine__fd_event(void) {
    MAKE("pipe", make_event());
}

int tine__fd_ringer(int event) {
    const struct known *e = entry(event);
    int ringer = e ? atomic_load_explicit(&e->ringer, memory_order_relaxed) : 0;
    return ringer ? ringer : event;
}

bool tine__fd_ring(int event) {
    int saved = errno, to = tine__fd_ringer(event);
    /* check both ends: if nobody can read, writing would raise SIGPIPE in the program */
    bool ours = tine__fd_ours(to) && (to == event || tine__fd_ours(event));
    /* a full pipe (EAGAIN) is readable anyway */
    if (ours)
        while (write(to, "", 1) == -1 && errno == EINTR)
            ;
    errno = saved;
    return ours;
}

bool tine__fd_clear(int event) {
    char bytes[64];
    int saved = errno;
    bool ours = tine__fd_ours(event);
    ssize_t n = sizeof bytes;
    while (ours && (n == sizeof bytes || (n == -1 && errno == EINTR)))
        n = read(event, bytes, sizeof bytes);
    errno = saved;
    return ours;
}

bool tine__fd_set_timer(int timer, uint64_t at) {
    struct itimerspec when = {.it_value = {(time_t)(at / 1000000000u), (long)(at % 1000000000u)}};
    return tine__fd_ours(timer) && timerfd_settime(timer, TFD_TIMER_ABSTIME, &when, NULL) == 0;
}

/* --- closing all others --- */

/* By insertion, since there are few. */
static void sort(int *list, size_t n) {
    for (size_t i = 1; i < n; i++) {
        int x = list[i];
        size_t k = i;
        for (; k > 0 && list[k - 1] > x; k--)
            list[k] = list[k - 1];
        list[k] = x;
    }
}

/* Close descriptors that /proc lists. False: there is no such list. */
static bool close_listed(int first, int last) {
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;
    if (!dir)
        return false;
    while ((e = readdir(dir)) != NULL) {
        int fd = isdigit((unsigned char)e->d_name[0]) ? atoi(e->d_name) : -1;
        if (fd >= first && fd <= last && fd != dirfd(dir))
            close(fd);
    }
    closedir(dir);
    return true;
}

/* Close descriptors that are open according to poll, many at a time: the limit may be ten
** millions. */
static void close_open_ones(int first, int last) {
    struct pollfd p[512];
    long most = sysconf(_SC_OPEN_MAX);
    if (most > 0 && last >= most)
        last = (int)most - 1;
    while (first <= last) {
        int n = last - first < 512 ? last - first + 1 : 512;
        for (int i = 0; i < n; i++)
            p[i] = (struct pollfd){first + i, 0, 0};
        bool asked = poll(p, (nfds_t)n, 0) != -1;
        for (int i = 0; i < n; i++)
            if (!asked || !(p[i].revents & POLLNVAL))
                close(first + i);
        first += n;
    }
}

/* Close [first, last]. A sandbox may refuse close_range. */
static void close_between(int first, int last) {
    if (first > last || sys.close_range((unsigned)first, (unsigned)last, 0) == 0)
        return;
    if (!close_listed(first, last))
        close_open_ones(first, last);
}

static void forget_all(void) {
    for (unsigned i = 0; i < atomic_load(&nleaves); i++) {
        struct known *leaf = leaf_at(i);
        for (unsigned k = 0; leaf && k < LEAF; k++)
            if (atomic_load_explicit(&leaf[k].inode, memory_order_relaxed))
                forget(&leaf[k]); /* so that no more pages than necessary are written to */
    }
}

int tine__fd_keep(int *keep, size_t n) {
    int first = LOWEST, err = 0;
    alone = true;
    forget_all();
    sort(keep, n);
    for (size_t i = 0; i < n; i++) {
        if (keep[i] < first)
            continue;
        close_between(first, keep[i] - 1);
        first = keep[i] + 1;
        if (note(keep[i]) == -1)
            err = -1;
    }
    close_between(first, INT_MAX);
    return err;
}

void tine__fd_company(void) {
    alone = false;
    for (unsigned i = 0; i < atomic_load(&nleaves); i++) {
        struct known *leaf = leaf_at(i);
        for (unsigned k = 0; leaf && k < LEAF; k++)
            if (atomic_load_explicit(&leaf[k].inode, memory_order_relaxed) == UNSEEN &&
                !identify(&leaf[k], (int)(i * LEAF + k)))
                forget(&leaf[k]);
    }
}

/* --- forks of the program --- */

void tine__fd_before_fork(void) {
    pthread_mutex_lock(&making);
}

static void close_all(void) {
    for (unsigned i = 0; i < atomic_load(&nleaves); i++) {
        struct known *leaf = leaf_at(i);
        for (unsigned k = 0; leaf && k < LEAF; k++) {
            int fd = (int)(i * LEAF + k);
            if (atomic_load_explicit(&leaf[k].inode, memory_order_relaxed))
                drop(&fd);
        }
    }
}

void tine__fd_after_fork(bool child) {
    if (child)
        close_all();
    pthread_mutex_unlock(&making);
}
