#include "worker/task/divert.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "msg/label.h"
#include "worker/process/output.h"

/* There is one worker in a process. */
static OWN struct {
    const struct channel *channel;
    uint32_t worker;
    int captures, prints; /* sockets */
    /* The lowest of the running tasks whose output is diverted, or NULL. */
    struct diverted *first;
} divert;

void tine__divert_open(const struct channel *channel, uint32_t worker, int captures, int prints) {
    divert.channel = channel;
    divert.worker = worker;
    divert.captures = captures;
    divert.prints = prints;
    divert.first = NULL; /* a worker that we descend from may have been running one */
}

/* --- telling the submitter --- */

/* Send a note; the submitter reads all the time. */
static int tell(int socket, const void *note, size_t length, const int *fds, int nfds) {
    struct pollfd p = {socket, POLLOUT, 0};
    int err;
    while ((err = tine__control_send(socket, note, length, fds, nfds)) == TINE_EAGAIN)
        poll(&p, 1, -1);
    return err ? TINE_ESYSTEM : 0;
}

/* --- the descriptors --- */

/* Keep copies of 1 and 2. One that is closed cannot be copied, and need not be. */
static bool keep(struct diverted *d) {
    d->before[0] = d->before[1] = -1;
    for (int i = 0; i < 2; i++)
        if ((d->before[i] = tine__fd_copy(i + 1)) == -1 && errno != EBADF)
            return false;
    return true;
}

static void forget(struct diverted *d) {
    for (int i = 0; i < 2; i++)
        tine__close(&d->before[i]);
}

/* Make `to` lead where `from` does; -1: close it. */
static bool lead(int from, int to) {
    if (from != -1)
        return tine__fd_ours(from) && sys.dup3(from, to, 0) != -1;
    close(to);
    return true;
}

/* False: the copies are not ours any more. */
static bool restore(struct diverted *d) {
    bool out = lead(d->before[0], 1), error = lead(d->before[1], 2);
    forget(d);
    return out && error;
}

static int lead_into(struct diverted *d, int out, int error) {
    if (!keep(d)) {
        forget(d);
        return TINE_ESYSTEM;
    }
    if (lead(out, 1) && lead(error, 2))
        return 0;
    int saved = errno;
    restore(d);
    errno = saved;
    return TINE_ESYSTEM;
}

static void close_all(int (*pipes)[2], int n) {
    for (int i = 0; i < n; i++) {
        tine__close(&pipes[i][0]);
        tine__close(&pipes[i][1]);
    }
}

static int open_all(int (*pipes)[2], int n) {
    for (int i = 0; i < n; i++)
        if (tine__fd_pipe(pipes[i]) == -1) {
            close_all(pipes, i);
            return TINE_ESYSTEM;
        }
    return 0;
}

/* --- before a task --- */

static int capture(struct diverted *d, const struct call *call, unsigned level) {
    const struct output_note note = {.task = d->task,
                                     .limit = call->extra->output_limit,
                                     .worker = divert.worker,
                                     .level = level,
                                     .ref = call->ref};
    int ends[1][2];
    if (open_all(ends, 1))
        return TINE_ESYSTEM;
    int err = tell(divert.captures, &note, sizeof note, &ends[0][0], 1);
    KILL_POINT("told");
    if (!err)
        err = lead_into(d, ends[0][1], ends[0][1]);
    close_all(ends, 1);
    return err;
}

/* The label of task `k`, cut if need be; returns its length. */
static size_t label_of(const struct call *call, uint32_t k, char out[PRINT_LABEL]) {
    struct codec_origin origin;
    const struct task_name name = call_name(call, &origin);
    size_t length = tine__label(&name, k, out, PRINT_LABEL);
    return length < PRINT_LABEL ? length : PRINT_LABEL - 1;
}

static int relay(struct diverted *d, const struct call *call, uint32_t k, unsigned level) {
    struct {
        struct output_note note;
        char label[PRINT_LABEL];
    } packet = {.note = {.task = d->task,
                         .worker = divert.worker,
                         .level = level,
                         .ref = call->ref,
                         .relayed = 1}};
    size_t length = label_of(call, k, packet.label);
    int pipes[2][2];
    if (open_all(pipes, 2))
        return TINE_ESYSTEM;
    const int theirs[] = {pipes[0][0], pipes[1][0]};
    int err = tell(divert.captures, &packet, sizeof packet.note + length, theirs, 2);
    if (!err)
        err = lead_into(d, pipes[0][1], pipes[1][1]);
    close_all(pipes, 2);
    return err;
}

static int prefix(struct diverted *d, const struct call *call, uint32_t k) {
    struct {
        struct print_note note;
        char label[PRINT_LABEL];
    } packet = {.note = {.task = d->task, .worker = divert.worker}};
    size_t length = label_of(call, k, packet.label);
    int pipes[3][2]; /* stdout, stderr, and the one closed when all is written */
    if (open_all(pipes, 3))
        return TINE_ESYSTEM;
    const int theirs[] = {pipes[0][0], pipes[1][0], pipes[2][1]};
    int err = tell(divert.prints, &packet, sizeof packet.note + length, theirs, 3);
    KILL_POINT("told");
    if (!err)
        err = lead_into(d, pipes[0][1], pipes[1][1]);
    if (!err) {
        d->written = pipes[2][0];
        pipes[2][0] = -1;
    }
    close_all(pipes, 3);
    return err;
}

static int begin(struct diverted *d, const struct call *call, uint32_t k, unsigned level,
                 enum output_mode mode) {
    const struct diverted *first = divert.first;
    switch (mode) {
    case OUTPUT_CAPTURE:
        return capture(d, call, level);
    case OUTPUT_PREFIX:
        return prefix(d, call, k);
    case OUTPUT_RELAY:
        return relay(d, call, k, level);
    default: /* where the lowest diverted task's output would go */
        return lead_into(d, first->before[0], first->before[1]);
    }
}

int tine__divert_begin(struct diverted *d, const struct channel *channel, const struct call *call,
                       uint32_t k, unsigned level) {
    enum output_mode mode = call->extra ? call->extra->output : OUTPUT_INHERIT;
    d->on = false;
    if (channel != divert.channel || (mode == OUTPUT_INHERIT && !divert.first))
        return 0;
    d->task = call->id + k;
    d->written = -1;
    tine__output_flush();
    tine__output_manner(&d->manner);
    int err = begin(d, call, k, level, mode);
    if (err)
        return err;
    d->on = true;
    if (!divert.first)
        divert.first = d;
    tine__output_change(mode == OUTPUT_INHERIT ? &divert.first->manner : NULL);
    KILL_POINT("diverted");
    return 0;
}

/* --- after it --- */

static void await_lines(struct diverted *d) {
    const struct print_note note = {.task = d->task, .worker = divert.worker};
    char byte;
    if (tell(divert.prints, &note, sizeof note, NULL, 0) == 0)
        while (tine__fd_ours(d->written) && read(d->written, &byte, 1) == -1 && errno == EINTR)
            ;
    tine__close(&d->written);
}

bool tine__divert_end(struct diverted *d) {
    if (!d->on) {
        tine__output_flush();
        return true;
    }
    KILL_POINT("printed");
    tine__output_change(&d->manner);
    bool restored = restore(d);
    if (d->written != -1)
        await_lines(d);
    if (divert.first == d)
        divert.first = NULL;
    KILL_POINT("restored");
    return restored;
}
