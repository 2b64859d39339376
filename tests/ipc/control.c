/* Shared memory, wakeup and control sockets, one thread. */
#include "base/fd.h"
#include "ipc/control.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/error.h"
#include "check.h"
#include "ipc/shm.h"
#include "ipc/wakeup.h"

static void shm_is_shared_and_cannot_shrink(void) {
    struct shm a, b;
    CHECK_EQ(tine__shm_create(&a, "test", 8192), 0);
    CHECK(fcntl(a.fd, F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(tine__shm_attach(&b, tine__fd_copy(a.fd), 8192, false), 0);
    strcpy(a.base + 5000, "hello");
    CHECK(!strcmp(b.base + 5000, "hello"));
    CHECK_EQ(ftruncate(a.fd, 4096), -1);
    CHECK_EQ(errno, EPERM);
    CHECK_EQ(ftruncate(a.fd, 16384), 0);
    tine__shm_close(&b);
    tine__shm_close(&a);
    CHECK_EQ(a.fd, -1);
    CHECK(!a.base);
    tine__shm_close(&a);
}

static void attach_refuses_a_short_file(void) {
    struct shm a, b;
    CHECK_EQ(tine__shm_create(&a, "test", 4096), 0);
    int fd = tine__fd_copy(a.fd);
    CHECK_EQ(tine__shm_attach(&b, fd, 4097, true), TINE_ESYSTEM);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(fcntl(fd, F_GETFD), -1); /* taken over, so closed */
    CHECK_EQ(tine__shm_attach(&b, -1, 4096, true), TINE_ESYSTEM);
    CHECK_EQ(errno, EBADF);
    tine__shm_close(&a);
}

static int readable(int fd) {
    struct pollfd p = {fd, POLLIN, 0};
    return poll(&p, 1, 0);
}

static void wakeup_merges_sends(void) {
    struct wakeup w = WAKEUP_CLOSED;
    tine__wakeup_send(&w); /* closed: nothing */
    tine__wakeup_clear(&w);
    tine__wakeup_close(&w);
    CHECK_EQ(tine__wakeup_open(&w), 0);
    CHECK_EQ(readable(w.fd), 0);
    errno = 77;
    for (int i = 0; i < 3; i++)
        tine__wakeup_send(&w);
    CHECK_EQ(readable(w.fd), 1);
    tine__wakeup_clear(&w);
    CHECK_EQ(errno, 77);
    CHECK_EQ(readable(w.fd), 0);
    tine__wakeup_send(&w);
    CHECK_EQ(readable(w.fd), 1);
    tine__wakeup_close(&w);
    tine__wakeup_close(&w);
    tine__wakeup_send(&w);
    CHECK_EQ(w.fd, -1);
}

static int open_fds(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static void control_passes_descriptors(void) {
    int ends[2], fds[CONTROL_FDS], n = CONTROL_FDS, before = open_fds();
    char text[16];
    CHECK_EQ(tine__control_pair(ends), 0);
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, fds, &n), TINE_EAGAIN);
    CHECK_EQ(n, 0);
    int pipes[2];
    CHECK_EQ(pipe(pipes), 0);
    CHECK_EQ(tine__control_send(ends[1], "abc", 3, pipes, 2), 0);
    CHECK_EQ(tine__control_send(ends[1], "de", 2, NULL, 0), 0);
    n = CONTROL_FDS;
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, fds, &n), 3);
    CHECK_EQ(n, 2);
    CHECK(!memcmp(text, "abc", 3));
    CHECK(fcntl(fds[0], F_GETFD) & FD_CLOEXEC);
    CHECK_EQ(write(fds[1], "x", 1), 1);
    CHECK_EQ(read(pipes[0], text, 1), 1);
    n = CONTROL_FDS;
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, fds + 2, &n), 2);
    CHECK_EQ(n, 0);
    close(fds[0]), close(fds[1]), close(pipes[0]), close(pipes[1]), close(ends[0]), close(ends[1]);
    CHECK_EQ(open_fds(), before);
}

static void control_closes_what_was_not_expected(void) {
    int ends[2], fds[CONTROL_FDS], sent[CONTROL_FDS], n = 1;
    char text[4];
    CHECK_EQ(tine__control_pair(ends), 0);
    for (int i = 0; i < CONTROL_FDS; i++)
        sent[i] = ends[0];
    int before = open_fds();
    CHECK_EQ(tine__control_send(ends[1], "abc", 3, sent, CONTROL_FDS), 0);
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, fds, &n), 3);
    CHECK_EQ(n, 1);
    CHECK_EQ(open_fds(), before + 1);
    close(fds[0]);
    /* nobody expects any */
    CHECK_EQ(tine__control_send(ends[1], "abc", 3, sent, 3), 0);
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, NULL, NULL), 3);
    CHECK_EQ(open_fds(), before);
    /* a message that is too long is none, and its descriptors are closed */
    n = CONTROL_FDS;
    CHECK_EQ(tine__control_send(ends[1], "abcdef", 6, sent, 3), 0);
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, fds, &n), TINE_ESYSTEM);
    CHECK_EQ(errno, EMSGSIZE);
    CHECK_EQ(n, 0);
    CHECK_EQ(open_fds(), before);
    close(ends[0]), close(ends[1]);
}

static void control_says_full_and_gone(void) {
    int ends[2], err, sent = 0, n = 0;
    char text[1000] = "";
    CHECK_EQ(tine__control_pair(ends), 0);
    while ((err = tine__control_send(ends[1], text, sizeof text, NULL, 0)) == 0)
        sent++;
    CHECK_EQ(err, TINE_EAGAIN);
    CHECK_LE(1, sent);
    close(ends[1]);
    for (; sent > 0; sent--) /* what was sent before the end still arrives */
        CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, NULL, &n), sizeof text);
    CHECK_EQ(tine__control_receive(ends[0], text, sizeof text, NULL, &n), 0);
    CHECK_EQ(tine__control_send(ends[0], "x", 1, NULL, 0), TINE_ESHUTDOWN); /* and no SIGPIPE */
    close(ends[0]);
    CHECK_EQ(tine__control_send(ends[0], "x", 1, NULL, 0), TINE_ESYSTEM);
    CHECK_EQ(errno, EBADF);
}

int main(void) {
    shm_is_shared_and_cannot_shrink();
    attach_refuses_a_short_file();
    wakeup_merges_sends();
    control_passes_descriptors();
    control_closes_what_was_not_expected();
    control_says_full_and_gone();
    return 0;
}
