/* Descriptors that come over a control socket, and children that the program forks meanwhile. */
#include "base/fd.h"
#include "check.h"
#include "forks.h"
#include "ipc/control.h"

static int ends[2];

/* A child forked just when one had come, and was not noted yet, kept it. */
static void receive_one(void) {
    int fds[CONTROL_FDS], nfds = 1;
    char byte;
    CHECK_EQ(tine__control_send(ends[0], "x", 1, &ends[0], 1), 0);
    CHECK_EQ(tine__control_receive(ends[1], &byte, 1, fds, &nfds), 1);
    CHECK_EQ(nfds, 1);
    tine__close(&fds[0]);
}

int main(void) {
    CHECK_EQ(tine__control_pair(ends), 0);
    forks_leave_nothing_of(receive_one);
    return 0;
}
