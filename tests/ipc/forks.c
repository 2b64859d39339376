/* Descriptors that come over a control socket, and children that the program forks meanwhile. */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include "base/fd.h"
#include "check.h"
#include "ipc/control.h"

#define FORKS 150
#define MOST 64 /* no test comes near this number */

static void in_parent(void) {
    tine__fd_after_fork(false);
}

static void in_child(void) {
    tine__fd_after_fork(true);
}

static int ends[2];
static atomic_bool stop;

static void *receives(void *arg) {
    (void)arg;
    while (!atomic_load(&stop)) {
        int fds[CONTROL_FDS], nfds = 1;
        char byte;
        CHECK_EQ(tine__control_send(ends[0], "x", 1, &ends[0], 1), 0);
        CHECK_EQ(tine__control_receive(ends[1], &byte, 1, fds, &nfds), 1);
        CHECK_EQ(nfds, 1);
        tine__close(&fds[0]);
    }
    return NULL;
}

static bool is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

/* A child forked just when one had come, and was not noted yet, kept it. */
static void a_child_has_none_that_has_just_come(const bool before[MOST]) {
    pthread_t thread;
    int status;
    CHECK_EQ(pthread_create(&thread, NULL, receives, NULL), 0);
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
    bool before[MOST];
    for (int fd = 0; fd < MOST; fd++)
        before[fd] = is_open(fd);
    CHECK_EQ(pthread_atfork(tine__fd_before_fork, in_parent, in_child), 0);
    CHECK_EQ(tine__control_pair(ends), 0);
    a_child_has_none_that_has_just_come(before);
    return 0;
}
