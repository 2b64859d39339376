#include "worker/divert.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include "base/error.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "msg/label.h"
#include "worker/output.h"

/* There is one worker in a process. */
static struct {
    const struct channel *channel;
    uint32_t worker;
    int captures, prints; /* sockets */
    int before[2];        /* copies of 1 and 2; -1: it was closed */
    int written; /* reads as ended when the lines of the task that runs are written; -1: it has no prefix */
    uint64_t task;
} divert = {.before = {-1, -1}, .written = -1};

void tine__divert_open(const struct channel *channel, uint32_t worker, int captures, int prints) {
    divert.channel = channel;
    divert.worker = worker;
    divert.captures = captures;
    divert.prints = prints;
}

/* --- telling the submitter --- */

/* It reads all the time. */
static int tell(int socket, const void *note, size_t length, const int *fds, int nfds) {
    struct pollfd p = {socket, POLLOUT, 0};
    int err;
    while ((err = tine__control_send(socket, note, length, fds, nfds)) == TINE_EAGAIN)
        poll(&p, 1, -1);
    return err ? TINE_ESYSTEM : 0;
}

/* --- the descriptors --- */

/* One that the program has closed cannot be copied, and need not. */
static bool keep(void) {
    for (int i = 0; i < 2; i++)
        if ((divert.before[i] = tine__fd_copy(i + 1)) == -1 && errno != EBADF)
            return false;
    return true;
}

static void forget(void) {
    for (int i = 0; i < 2; i++)
        tine__close(&divert.before[i]);
}

/* What was closed before is closed again. */
static void restore(void) {
    for (int i = 0; i < 2; i++) {
        if (divert.before[i] == -1)
            close(i + 1);
        else if (tine__fd_ours(divert.before[i]))
            sys.dup3(divert.before[i], i + 1, 0);
        tine__close(&divert.before[i]);
    }
}

static int lead_into(int out, int error) {
    if (!keep()) {
        forget();
        return TINE_ESYSTEM;
    }
    if (sys.dup3(out, 1, 0) != -1 && sys.dup3(error, 2, 0) != -1)
        return 0;
    int saved = errno;
    restore();
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

static int capture(const struct call *call) {
    const struct output_note note = {
        .task = divert.task, .limit = call->extra->output_limit, .worker = divert.worker};
    int ends[1][2];
    if (open_all(ends, 1))
        return TINE_ESYSTEM;
    int err = tell(divert.captures, &note, sizeof note, &ends[0][0], 1);
    KILL_POINT("told");
    if (!err)
        err = lead_into(ends[0][1], ends[0][1]);
    close_all(ends, 1);
    return err;
}

static int prefix(const struct call *call, uint32_t k) {
    struct {
        struct print_note note;
        char label[PRINT_LABEL];
    } packet = {.note = {.task = divert.task, .worker = divert.worker}};
    const struct task_name name = call_name(call);
    size_t length = tine__label(&name, k, packet.label, sizeof packet.label);
    if (length >= sizeof packet.label)
        length = sizeof packet.label - 1;
    int pipes[3][2]; /* stdout, stderr, and the one that is closed when all is written */
    if (open_all(pipes, 3))
        return TINE_ESYSTEM;
    const int theirs[] = {pipes[0][0], pipes[1][0], pipes[2][1]};
    int err = tell(divert.prints, &packet, sizeof packet.note + length, theirs, 3);
    KILL_POINT("told");
    if (!err)
        err = lead_into(pipes[0][1], pipes[1][1]);
    if (!err) {
        divert.written = pipes[2][0];
        pipes[2][0] = -1;
    }
    close_all(pipes, 3);
    return err;
}

int tine__divert_begin(const struct channel *channel, const struct call *call, uint32_t k) {
    if (channel != divert.channel)
        return 0;
    tine__output_flush();
    divert.task = call->id + k;
    int err = call->extra->output == OUTPUT_PREFIX ? prefix(call, k) : capture(call);
    if (!err)
        tine__output_divert(true);
    KILL_POINT("diverted");
    return err;
}

/* --- after it --- */

static void await_lines(void) {
    const struct print_note note = {.task = divert.task, .worker = divert.worker};
    char byte;
    if (tell(divert.prints, &note, sizeof note, NULL, 0) == 0)
        while (tine__fd_ours(divert.written) && read(divert.written, &byte, 1) == -1 &&
               errno == EINTR)
            ;
    tine__close(&divert.written);
}

void tine__divert_end(const struct channel *channel) {
    if (channel != divert.channel) {
        tine__output_flush();
        return;
    }
    KILL_POINT("printed");
    tine__output_divert(false);
    restore();
    if (divert.written != -1)
        await_lines();
    KILL_POINT("restored");
}
