/* Each call of the system fails once, in the root, in the fork server and in the worker, and a worker is
** killed at each point of its way: the submitter hears of it, nobody hangs, and nothing is left.
*/
#ifdef TINE_FAULTS

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "ipc/control.h"
#include "worker/root/root.h"
#include "worker/submitter.h"

#define ENOUGH 3 /* runs in a row without a failure: no call is left that could fail */

extern char **environ;

enum outcome { WELL, NO_SERVER, NO_PRELOAD, NO_START, NOT_READY, DIED, OUTCOMES };
static const char *const names[] = {"well",     "no server", "no preload",
                                    "no start", "not ready", "died"};

/* The environment with one more variable. */
static char **with(char *variable) {
    static char *list[512];
    int n = 0;
    list[n++] = variable;
    for (char **e = environ; *e && n < 511; e++)
        list[n++] = *e;
    list[n] = NULL;
    return list;
}

/* Wait for a record of worker 1 or for its end. The record's kind; -1: it has died. */
static int await_record(struct submitter *s) {
    struct pollfd p = {s->control, POLLIN, 0};
    while (!tine__link_pending(&s->links[1])) {
        struct message m;
        if (poll(&p, 1, 0) <= 0 || tine__link_pending(&s->links[1]))
            continue;
        if (!submitter_hear(s, &m) || m.kind == MESSAGE_EXITED)
            return tine__link_pending(&s->links[1]) ? (int)submitter_record(s, 1).kind : -1;
    }
    return (int)submitter_record(s, 1).kind;
}

static enum outcome start(struct submitter *s) {
    struct message m = {.kind = MESSAGE_START, .worker = 1};
    CHECK(tine__link_create(&s->links[1]) == 0);
    if (tine__control_send(s->control, &m, sizeof m, &s->links[1].shm.fd, 1))
        return NO_SERVER;
    if (!submitter_hear(s, &m))
        return NO_SERVER;
    if (m.kind == MESSAGE_EXITED)
        return NO_SERVER; /* it could not say that it had started it, so it ends */
    if (m.kind == MESSAGE_NOFORK)
        return NO_SERVER; /* it was to become what it should only now */
    CHECK(m.kind == MESSAGE_STARTED || (m.kind == MESSAGE_NOSTART && m.error != 0));
    s->pids[1] = m.pid;
    return m.kind == MESSAGE_STARTED ? WELL : NO_START;
}

static enum outcome go(struct submitter *s) {
    struct message m;
    if (!submitter_hear(s, &m))
        return NO_SERVER;
    if (m.kind != MESSAGE_UP) {
        CHECK(m.kind == MESSAGE_NOPRELOAD || (m.kind == MESSAGE_NOFORK && m.error != 0));
        return m.kind == MESSAGE_NOPRELOAD ? NO_PRELOAD : NO_SERVER;
    }
    s->server = m.pid;
    enum outcome o = start(s);
    if (o != WELL)
        return o;
    int kind = await_record(s);
    if (kind != RECORD_READY) {
        CHECK(kind == -1 || kind == RECORD_FAILED || kind == RECORD_UNFIT);
        return NOT_READY;
    }
    submitter_put1(s, "function(x) return x:rep(100000) end", "abc");
    kind = await_record(s);
    CHECK(kind == -1 || kind == RECORD_VALUES || kind == RECORD_REFUSED || kind == RECORD_ERROR);
    return kind == -1 ? DIED : WELL;
}

static void finish(struct submitter *s) {
    struct message m;
    tine__queue_shut(&s->queue);
    shutdown(s->control, SHUT_WR);
    while (submitter_hear(s, &m))
        ;
    if (s->server)
        await_gone(s->server);
    if (s->pids[1])
        await_gone(s->pids[1]);
    submitter_drop(s);
}

static enum outcome attempt(char *variable) {
    struct submitter s;
    submitter_open(&s, &(struct setup){.preload = "function(x) loaded = x end",
                                       .initializer = "function(x) assert(loaded == x) end",
                                       .initarg = "y",
                                       .environ = with(variable)});
    enum outcome o = go(&s);
    finish(&s);
    return o;
}

/* All calls of a role, one after the other. */
static void fail_each(const char *role) {
    int seen[OUTCOMES] = {0};
    int well = 0;
    for (int n = 1; well < ENOUGH || n < 20; n++) {
        char variable[64];
        snprintf(variable, sizeof variable, "TINE_FAULT=%s/all:%d", role, n);
        if (getenv("V"))
            fprintf(stderr, "%s\n", variable);
        enum outcome o = attempt(variable);
        seen[o]++;
        well = o == WELL ? well + 1 : 0;
    }
    fprintf(stderr, "faults in a %s:", role);
    for (int o = 0; o < OUTCOMES; o++)
        fprintf(stderr, " %s %d,", names[o], seen[o]);
    fprintf(stderr, "\n");
    CHECK(seen[WELL] > 0 && seen[WELL] < 100);
}

/* The root reads the environment when it is taken, so each fault needs a program of its own. */
static void fail_in_root(void) {
    int failed = 0;
    for (int n = 1; n <= 30; n++) {
        pid_t pid = fork();
        if (pid == 0) {
            char fault[64];
            struct submitter s;
            snprintf(fault, sizeof fault, "root/all:%d", n);
            setenv("TINE_FAULT", fault, 1);
            CHECK(tine__root_take() == 0);
            unsetenv("TINE_FAULT");
            submitter_open(&s, &(struct setup){0});
            enum outcome o = go(&s);
            finish(&s);
            _exit(o == WELL ? 0 : 10);
        }
        int status;
        CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 10);
        failed += WEXITSTATUS(status) == 10;
    }
    fprintf(stderr, "faults in a root: %d\n", failed);
    CHECK(failed > 0);
}

static void kill_each(void) {
    static const struct {
        char *variable;
        enum outcome outcome;
    } points[] = {
        {"TINE_KILL=worker/starting", NOT_READY}, {"TINE_KILL=worker/taken", DIED},
        {"TINE_KILL=worker/decoding:2", DIED},    {"TINE_KILL=worker/running:2", DIED},
        {"TINE_KILL=worker/encoding:2", DIED},    {"TINE_KILL=worker/halfway:2", DIED},
        {"TINE_KILL=worker/written:2", WELL},     {"TINE_KILL=worker/leaving", WELL},
        {"TINE_KILL=worker/finished", DIED},      {"TINE_KILL=worker/nowhere", WELL},
    };
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        enum outcome o = attempt(points[i].variable);
        if (o != points[i].outcome) {
            fprintf(stderr, "%s: %s\n", points[i].variable, names[o]);
            exit(1);
        }
    }
}

int main(void) {
    CHECK(tine__root_take() == 0);
    kill_each();
    fail_each("worker");
    fail_each("server");
    fail_in_root();
    return 0;
}

#else

int main(void) {
    return 0; /* nothing can be made to fail in this build */
}

#endif
