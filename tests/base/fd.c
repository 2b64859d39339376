/* Descriptors, and children that the program forks meanwhile. */
#include <sys/socket.h>
#include "base/fd.h"
#include "check.h"
#include "forks.h"

/* A descriptor was forgotten before it was closed; a child forked between the two kept it. */
static void open_and_close(void) {
    int ends[2], event = tine__fd_event();
    CHECK(event != -1 && tine__fd_pair(ends, SOCK_STREAM) == 0);
    tine__close(&event);
    tine__close(&ends[0]);
    tine__close(&ends[1]);
}

int main(void) {
    forks_leave_nothing_of(open_and_close);
    return 0;
}
