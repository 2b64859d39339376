/* Descriptors, and children that the program forks meanwhile. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "check.h"

#define FORKS 150
#define MOST 64 /* no test comes near this number */

static void in_parent(void) {
    tine__fd_after_fork(false);
}

static void in_child(void) {
    tine__fd_after_fork(true);
}

static atomic_bool stop;

static void *opens_and_closes(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        int ends[2], event = tine__fd_event();
        CHECK(event != -1 && tine__fd_pair(ends, SOCK_STREAM) == 0);
        tine__close(&event);
        tine__close(&ends[0]);
        tine__close(&ends[1]);
    }
    return NULL;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

/* A descriptor was forgotten before it was closed; a child forked between the two kept it. */
static void a_child_has_none_that_are_just_being_closed(void) {
    bool before[MOST];
    pthread_t thread;
    int status;
    for (int fd = 0; fd < MOST; fd++)
        before[fd] = is_open(fd);
    CHECK_EQ(pthread_create(&thread, NULL, opens_and_closes, NULL), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0)
            for (int fd = 0; fd < MOST; fd++)
                CHECK_EQ(is_open(fd), before[fd]);
        if (pid == 0)
            _exit(0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    atomic_store(&stop, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

int main(void) {
    CHECK_EQ(pthread_atfork(tine__fd_before_fork, in_parent, in_child), 0);
    a_child_has_none_that_are_just_being_closed();
    return 0;
}
