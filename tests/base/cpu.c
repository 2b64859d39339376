/* The files that are read to count processors, and descriptors that move, and children that the
** program forks meanwhile. */
#include <fcntl.h>
#include "base/fd.h"
#include "check.h"
#include "forks.h"
#include "tine.h"

#define HIGH 40

/* They were open in such a child, as other code than fd.c had made them. */
static void count_and_move(void) {
    int fd = tine__fd_open("/dev/null", O_RDONLY);
    CHECK(tine_cpu_count() >= 1);
    CHECK(fd != -1 && tine__fd_move(&fd, HIGH) == 0);
    CHECK(fd >= HIGH && tine__fd_ours(fd));
    tine__close(&fd);
}

int main(void) {
    forks_leave_nothing_of(count_and_move);
    return 0;
}
