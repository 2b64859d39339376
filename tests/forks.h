/* Children that the program forks while another of its threads makes and closes descriptors. */
#ifndef TINE_TESTS_FORKS_H
#define TINE_TESTS_FORKS_H

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/fd.h"
#include "check.h"

#define FORKS 150
#define FORKS_MOST 64 /* no such test comes near this number */

static atomic_bool forks_over;

static void forks_in_parent(void) {
    tine__fd_after_fork(false);
}

static void forks_in_child(void) {
    tine__fd_after_fork(true);
}

static bool forks_is_open(int fd) {
    return fcntl(fd, F_GETFD) != -1;
}

static void *forks_go_on(void *arg) {
    void (*const *once)(void) = arg;
    while (!atomic_load(&forks_over))
        (*once)();
    return NULL;
}

/* Let a thread do `once` over and over, and fork meanwhile: each child has the descriptors that are
** open now and not the library's, and no others. */
static void forks_leave_nothing_of(void (*once)(void)) {
    bool before[FORKS_MOST];
    pthread_t thread;
    int status;
    for (int fd = 0; fd < FORKS_MOST; fd++)
        before[fd] = forks_is_open(fd) && !tine__fd_ours(fd);
    CHECK_EQ(pthread_atfork(tine__fd_before_fork, forks_in_parent, forks_in_child), 0);
    CHECK_EQ(pthread_create(&thread, NULL, forks_go_on, &once), 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            for (int fd = 0; fd < FORKS_MOST; fd++)
                CHECK_EQ(forks_is_open(fd), before[fd]);
            _exit(0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    atomic_store(&forks_over, true);
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

#endif
