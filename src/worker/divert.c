#include "worker/divert.h"

#include <errno.h>
#include <poll.h>
#include "base/error.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "worker/output.h"

/* There is one worker in a process. */
static struct {
    const struct channel *channel;
    uint32_t worker;
    int socket;
    int before[2]; /* copies of 1 and 2; -1: it was closed */
} divert = {.before = {-1, -1}};

void tine__divert_open(const struct channel *channel, uint32_t worker, int socket) {
    divert.channel = channel;
    divert.worker = worker;
    divert.socket = socket;
}

/* --- telling the submitter --- */

/* It reads all the time. */
static int tell(const struct output_note *note, int fd) {
    struct pollfd p = {divert.socket, POLLOUT, 0};
    int err;
    while ((err = tine__control_send(divert.socket, note, sizeof *note, &fd, 1)) == TINE_EAGAIN)
        poll(&p, 1, -1);
    return err ? TINE_ESYSTEM : 0;
}

/* --- the descriptors --- */

static void keep(void) {
    for (int i = 0; i < 2; i++)
        divert.before[i] = tine__fd_copy(i + 1);
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

static int lead_into(int pipe) {
    keep();
    if (sys.dup3(pipe, 1, 0) != -1 && sys.dup3(pipe, 2, 0) != -1)
        return 0;
    int saved = errno;
    restore();
    errno = saved;
    return TINE_ESYSTEM;
}

/* --- around a task --- */

static int capture(const struct call *call, uint32_t k) {
    const struct output_note note = {
        .task = call->id + k, .limit = call->extra->output_limit, .worker = divert.worker};
    int ends[2];
    if (tine__fd_pipe(ends) == -1)
        return TINE_ESYSTEM;
    int err = tell(&note, ends[0]);
    KILL_POINT("told");
    if (!err)
        err = lead_into(ends[1]);
    tine__close(&ends[0]);
    tine__close(&ends[1]);
    return err;
}

int tine__divert_begin(const struct channel *channel, const struct call *call, uint32_t k) {
    if (channel != divert.channel)
        return 0;
    tine__output_flush();
    int err = capture(call, k);
    if (!err)
        tine__output_divert(true);
    KILL_POINT("diverted");
    return err;
}

void tine__divert_end(const struct channel *channel) {
    if (channel != divert.channel) {
        tine__output_flush();
        return;
    }
    KILL_POINT("printed");
    tine__output_divert(false);
    restore();
    KILL_POINT("restored");
}
