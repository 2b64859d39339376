#include "serve/serve.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"
#include "serve/internal.h"

/* --- opening and closing --- */

static bool open_parts(struct serve *s, const sigset_t *set) {
    s->signals = tine__fd_signals(set);
    s->blobs = tine__blobs_new(tine__pool_store(s->pool), s->o->cache);
    tine__inbox_open(&s->inbox, s->pool);
    s->opened = true;
    return s->signals != -1 && s->blobs && tine__inbox_fileno(&s->inbox) >= 0;
}

static struct serve *new_serve(struct pool *p, const struct serve_options *o) {
    struct serve *s = sys.calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->pool = p;
    s->o = o;
    s->signals = -1;
    list_init(&s->orphans);
    tine__buf_init(&s->plain);
    tine__buf_init(&s->sealed);
    tine__gm_function(o->servers.set, s->function);
    s->nservers = o->servers.n;
    for (unsigned i = 0; i < s->nservers; i++) {
        struct server *v = &s->servers[i];
        v->serve = s;
        tine__gm_init(&v->conn, &o->servers.list[i]);
        list_init(&v->peers);
        list_init(&v->opening);
        list_init(&v->works);
    }
    return s;
}

/* All items must have ended before their inbox may be closed. The pool was killed by now, or
** nothing runs. */
static void drain(struct serve *s) {
    while (s->works > 0 && !tine__pool_ended(s->pool)) {
        struct pollfd fd = {.fd = tine__inbox_fileno(&s->inbox), .events = POLLIN};
        if (fd.fd < 0)
            break;
        poll(&fd, 1, 1000);
        tine__answer_all(s);
    }
    tine__answer_all(s);
}

static void free_serve(struct serve *s) {
    for (unsigned i = 0; i < s->nservers; i++) {
        struct server *v = &s->servers[i];
        tine__gm_flush(&v->conn);
        tine__gm_close(&v->conn);
        v->known = false;
        v->told = true;
        tine__server_lose(s, v, "");
    }
    if (s->opened) {
        if (s->works > 0)
            tine__pool_kill(s->pool, WHY_KILLED);
        drain(s);
        tine__blobs_free(s->blobs);
        tine__inbox_close(&s->inbox);
    }
    tine__close(&s->signals);
    tine__buf_free(&s->plain);
    tine__buf_free(&s->sealed);
    free(s);
}

/* --- the loop --- */

static void read_signals(struct serve *s) {
    struct signalfd_siginfo info;
    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        s->forced |= s->leaving;
        s->leaving = true;
        if (!s->forced)
            tine__serve_log(s, "leaving: %u tasks are still running", s->works);
    }
}

static void sleep_until(struct serve *s, uint64_t due) {
    struct pollfd fds[GM_SERVERS + 2];
    unsigned n = s->nservers;
    for (unsigned i = 0; i < n; i++)
        tine__gm_poll(&s->servers[i].conn, &fds[i]);
    fds[n] = (struct pollfd){.fd = tine__inbox_fileno(&s->inbox), .events = POLLIN};
    fds[n + 1] = (struct pollfd){.fd = s->signals, .events = POLLIN};
    struct timespec left, *timeout = NULL;
    if (due != UINT64_MAX) {
        left = clock_left(due);
        timeout = &left;
    }
    if (ppoll(fds, n + 2, timeout, NULL) <= 0)
        return;
    for (unsigned i = 0; i < n; i++) {
        struct server *v = &s->servers[i];
        bool opened = false, open = v->conn.fd != -1;
        tine__gm_polled(&v->conn, fds[i].revents, &opened);
        if (opened)
            tine__greet(s, v);
        if (open && v->conn.fd == -1)
            tine__server_lose(s, v, v->conn.error ? strerror(v->conn.error) : "it has gone");
    }
    if (fds[n + 1].revents)
        read_signals(s);
}

/* Handle everything that has come. */
static void turn(struct serve *s) {
    tine__answer_all(s);
    for (unsigned i = 0; i < s->nservers; i++) {
        struct server *v = &s->servers[i];
        bool open = v->conn.fd != -1;
        tine__hear(s, v);
        if (open && v->conn.fd == -1)
            tine__server_lose(s, v, v->conn.error ? strerror(v->conn.error) : "it has gone");
    }
    tine__watch(s, tine__now());
    /* A server may have had to leave its room to another one. */
    for (unsigned i = 0; i < s->nservers; i++)
        tine__grab(s, &s->servers[i]);
    for (unsigned i = 0; i < s->nservers; i++)
        tine__gm_flush(&s->servers[i].conn);
    s->broken |= !tine__pool_is_open(s->pool);
}

/* Has a state lasted for this span? 0: it is not so; there is no span. */
static bool has_lasted(uint64_t since, uint64_t span) {
    return since && span && tine__now() >= clock_after(since, span);
}

/* May serving end? *why: the reason. */
static bool is_over(const struct serve *s, enum serve_end *why) {
    *why = s->forced                                 ? SERVE_FORCED
           : s->broken                               ? SERVE_BROKEN
           : s->leaving                              ? SERVE_ASKED
           : has_lasted(s->alone_since, s->o->alone) ? SERVE_ALONE
                                                     : SERVE_IDLE;
    if (s->forced)
        return true;
    if (s->works > 0)
        return false;
    return *why != SERVE_IDLE || has_lasted(s->idle_since, s->o->idle);
}

static enum serve_end run(struct serve *s) {
    enum serve_end why;
    turn(s);
    while (!is_over(s, &why)) {
        sleep_until(s, tine__watch_due(s));
        turn(s);
    }
    return why;
}

enum serve_end tine__serve(struct pool *p, const struct serve_options *o) {
    sigset_t set, old;
    enum serve_end why = SERVE_FAILED;
    struct serve *s = new_serve(p, o);
    if (!s)
        return SERVE_FAILED;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    if (open_parts(s, &set))
        why = run(s);
    free_serve(s);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return why;
}
