#include "worker/root/root.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
#include <sys/single_threaded.h>
#endif

#include "base/error.h"
#include "base/list.h"
#include "base/map.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/arena.h"
#include "ipc/control.h"
#include "worker/process/inherit.h"
#include "worker/root/find_helper.h"
#include "worker/root/main.h"
#include "worker/root/make.h"

#define PATIENCE 10000 /* ms within which a root must read a message */

struct root_watch {
    struct list node;
    void (*close)(void *arg);
    void *arg;
};

/* The two locks:
**
**   taking   protects `roots`; held while a root is made or told something, which may take seconds
**   lock     protects `watches` and `handlers`; held over a fork of the program, never for long
*/
static pthread_mutex_t taking = PTHREAD_MUTEX_INITIALIZER;
#define NO_ROOT \
    { .socket = -1, .line = -1, .self = -1 }
static struct root_end roots[2] = {NO_ROOT, NO_ROOT};
#define FORKED (&roots[0])
#define EXECUTED (&roots[1])

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static bool handlers;
static atomic_uint generation;
static struct list watches = {&watches, &watches};

/* --- forks of the program (Tine's own forks run no handlers: base/sys.c) --- */

static void before_fork(void) {
    pthread_mutex_lock(&lock);
    tine__map_before_fork();
    tine__fd_before_fork();
}

static void after_fork_parent(void) {
    tine__fd_after_fork(false);
    tine__map_after_fork(false);
    pthread_mutex_unlock(&lock);
}

static void forget_roots(void) {
    for (int i = 0; i < 2; i++)
        roots[i].socket = roots[i].line = roots[i].self = -1;
}

void tine__root_disown(void) {
    atomic_fetch_add(&generation, 1);
    forget_roots();
    pthread_mutex_init(&taking, NULL); /* the thread that held it is not in this process */
}

static void after_fork_child(void) {
    tine__fd_after_fork(true);
    tine__map_after_fork(true);
    tine__root_disown();
    for (struct list *n = watches.next; n != &watches; n = n->next) {
        struct root_watch *w = LIST_ITEM(n, struct root_watch, node);
        w->close(w->arg);
    }
    pthread_mutex_unlock(&lock);
}

unsigned tine__root_generation(void) {
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

struct root_watch *tine__root_watch(void (*close_it)(void *arg), void *arg) {
    struct root_watch *w = sys.malloc(sizeof *w);
    if (!w)
        return NULL;
    w->close = close_it;
    w->arg = arg;
    pthread_mutex_lock(&lock);
    list_push(&watches, &w->node);
    pthread_mutex_unlock(&lock);
    return w;
}

void tine__root_reset(void) {
    pthread_mutex_init(&lock, NULL);
    pthread_mutex_init(&taking, NULL);
    tine__map_drop();
    tine__arena_forget();
    forget_roots(); /* they are closed already, with all descriptors of the program */
    list_init(&watches);
}

/* Called with `lock` held. */
static int add_handlers(void) {
    if (handlers)
        return 0;
    if (pthread_atfork(before_fork, after_fork_parent, after_fork_child) != 0) {
        errno = ENOMEM;
        return TINE_ESYSTEM;
    }
    handlers = true;
    return 0;
}

int tine__root_heed_forks(void) {
    pthread_mutex_lock(&lock);
    int err = add_handlers();
    pthread_mutex_unlock(&lock);
    return err;
}

/* --- taking a root --- */

/* Is this the program's only thread? (Under the thread sanitizer there is always another one.) */
static bool alone(void) {
#if defined(__SANITIZE_THREAD__)
    const nlink_t hidden = 1;
#else
    const nlink_t hidden = 0;
#endif
    struct stat st;
    if (stat("/proc/self/task", &st) == 0)
        return st.st_nlink <= 3 + hidden;
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 32)
    return __libc_single_threaded && !hidden; /* there never was another one */
#else
    return false;
#endif
}

int tine__root_take(void) {
    int err = tine__root_heed_forks();
    pthread_mutex_lock(&taking);
    if (!err)
        tine__find_helper_note();
    if (!err && FORKED->socket == -1 && alone())
        err = tine__root_fork(FORKED);
    pthread_mutex_unlock(&taking);
    return err;
}

/* --- asking a root --- */

static void drop(struct root_end *r) {
    tine__close(&r->socket);
    tine__close(&r->line);
    tine__close(&r->self);
}

/* If somebody has stopped the root (SIGSTOP), let it go on. That does nothing to one that runs. */
static void rouse(const struct root_end *r) {
    if (tine__fd_ours(r->self))
        syscall(SYS_pidfd_send_signal, r->self, SIGCONT, NULL, 0);
}

void tine__root_rouse(void) {
    if (pthread_mutex_trylock(&taking))
        return; /* a pool is being opened, which does the same */
    for (int i = 0; i < 2; i++)
        rouse(&roots[i]);
    pthread_mutex_unlock(&taking);
}

/* May workers descend from it? It has the rights that this process had then: what was given up or
** gained since does not reach it. */
static bool fits(const struct root_end *r, const struct rights *now) {
    return !memcmp(now, &r->rights, sizeof *now);
}

enum { CONFINED_ELSEWHERE = -1, STRAYED, AT_HOME };

static int place_of(const struct root_end *r) {
    struct station now;
    tine__station_of(&now);
    if (now.confines != r->station.confines)
        return CONFINED_ELSEWHERE;
    return memcmp(&now, &r->station, sizeof now) ? STRAYED : AT_HOME;
}

/* Put a new root in the place of one in the wrong station, if one can be made. */
static void replace(struct root_end *r, int (*make)(struct root_end *r)) {
    struct root_end old = *r;
    r->socket = r->line = r->self = -1;
    if (make(r) == 0)
        drop(&old);
    else
        *r = old;
    tine__why_clear();
}

/* Called after the root was told to fork, because this check is quicker than a fork. May its
** children be workers of this pool? If not, the root is dropped, or another one put in its place. A
** root that is merely in another session or control group stays if no other can be made. */
static bool suits(struct root_end *r, const struct rights *now) {
    int place = fits(r, now) ? place_of(r) : CONFINED_ELSEWHERE;
    int had = r->socket;
    if (place == CONFINED_ELSEWHERE)
        drop(r);
    else if (place == STRAYED && (r == EXECUTED || alone()))
        replace(r, r == EXECUTED ? tine__root_execute : tine__root_fork);
    return r->socket == had;
}

/* The root to ask, made now if need be (*fresh). NULL: errno. */
static struct root_end *choose(bool executed, bool *fresh) {
    struct root_end *r = executed || (FORKED->socket == -1 && !alone()) ? EXECUTED : FORKED;
    *fresh = r->socket == -1;
    if (*fresh && (r == FORKED ? tine__root_fork(r) : tine__root_execute(r)))
        return NULL;
    return r;
}

static int tell(int root, int control, bool preload) {
    struct message m = {.kind = MESSAGE_OPEN, .preload = preload};
    struct pollfd p = {root, POLLOUT, 0};
    int err;
    while ((err = tine__control_send(root, &m, sizeof m, &control, 1)) == TINE_EAGAIN) {
        int n = poll(&p, 1, PATIENCE);
        if (n == 0)
            errno = ETIMEDOUT;
        if (n == 0 || (n == -1 && errno != EINTR))
            return TINE_ESYSTEM;
    }
    return err;
}

/* Have a fork server forked. 0, an error, or TINE_EAGAIN: try again with another root. */
static int open_once(int *control, struct inherit *inherit, bool executed, bool preload) {
    int ends[2];
    bool fresh;
    struct root_end *r = choose(executed, &fresh);
    int err = r ? tine__control_pair(ends) : TINE_ESYSTEM;
    if (err)
        return err;
    rouse(r);
    err = tell(r->socket, ends[1], preload);
    tine__close(&ends[1]);
    if (!err)
        tine__inherit_note(inherit);
    if (err == TINE_ESHUTDOWN || (err && errno == EBADF)) {
        drop(r); /* it was killed, or the program has closed our end */
        err = TINE_EAGAIN;
    } else if (!err && !fresh && !suits(r, &inherit->rights)) {
        err = TINE_EAGAIN;
    }
    if (err)
        tine__close(&ends[0]);
    *control = ends[0];
    return err;
}

int tine__root_open(int *control, struct inherit *inherit, bool spawn, bool preload) {
    *control = -1;
    tine__why_clear();
    int err = tine__root_heed_forks(), tries = 3;
    if (err)
        return err;
    pthread_mutex_lock(&taking);
    do
        err = open_once(control, inherit, spawn, preload);
    while (err == TINE_EAGAIN && --tries > 0);
    pthread_mutex_unlock(&taking);
    if (err != TINE_EAGAIN)
        return err;
    tine__why(ECHILD, "its root process was killed as soon as it was there");
    return TINE_ESYSTEM;
}

int tine__root_set_up(int control, const int fds[SETUP_FDS], uint32_t seat, uint64_t boot,
                      uint32_t length) {
    struct message m = {.kind = MESSAGE_SETUP, .seat = seat, .boot = boot, .length = length};
    int err = tine__control_send(control, &m, sizeof m, fds, SETUP_FDS);
    if (err == TINE_EAGAIN)
        err = TINE_ESYSTEM; /* there is room for a first message, unless the kernel lacks memory */
    return err == TINE_ESHUTDOWN ? 0 : err;
}

/* --- the end of the last pool --- */

/* Does this process adopt orphans of its descendants? A program that waits for all such children
** would wait for the root, which waits for the program's end. */
static bool adopts(void) {
    int reaper = 0;
    return getpid() == 1 || (prctl(PR_GET_CHILD_SUBREAPER, &reaper, 0, 0, 0) == 0 && reaper);
}

static bool is_watched(void) {
    pthread_mutex_lock(&lock);
    bool watched = !list_empty(&watches);
    pthread_mutex_unlock(&lock);
    return watched;
}

void tine__root_unwatch(struct root_watch *w) {
    if (!w)
        return;
    pthread_mutex_lock(&lock);
    list_remove(&w->node);
    pthread_mutex_unlock(&lock);
    free(w);
    if (is_watched())
        return;
    tine__root_rouse(); /* or one that was stopped would be there when the program has ended */
    if (!adopts() || pthread_mutex_trylock(&taking))
        return;
    for (int i = 0; !is_watched() && i < 2; i++)
        drop(&roots[i]);
    pthread_mutex_unlock(&taking);
}
