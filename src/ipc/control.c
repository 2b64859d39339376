#include "ipc/control.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/error.h"
#include "base/sys.h"
#include "base/why.h"

/* Room for descriptors beside a message, aligned as the kernel wants it. */
union ancillary {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * CONTROL_FDS)];
};

int tine__control_pair(int ends[2]) {
    int type = SOCK_SEQPACKET | SOCK_NONBLOCK;
    return tine__fd_pair(ends, type) == -1 ? TINE_ESYSTEM : 0;
}

static int send_error(void) {
    switch (errno) {
    case EAGAIN:
        return TINE_EAGAIN;
    case EPIPE:
    case ECONNRESET:
    case ENOTCONN:
        return TINE_ESHUTDOWN;
    default:
        tine__why(errno, "sendmsg: %s", strerror(errno));
        return TINE_ESYSTEM;
    }
}

static void add_fds(struct msghdr *m, union ancillary *a, const int *fds, int nfds) {
    memset(a, 0, sizeof *a);
    m->msg_control = a;
    m->msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)nfds);
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)nfds);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)nfds);
}

int tine__control_send(int fd, const void *data, size_t len, const int *fds, int nfds) {
    struct iovec v = {(void *)data, len};
    struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
    union ancillary a;
    ssize_t n;
    assert(len > 0); /* an empty packet would look like end of file */
    assert(nfds >= 0 && nfds <= CONTROL_FDS);
    if (!tine__fd_ours(fd))
        return TINE_ESYSTEM;
    if (nfds > 0)
        add_fds(&m, &a, fds, nfds);
    do
        n = sys.sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (n == -1 && errno == EINTR);
    return n == -1 ? send_error() : 0;
}

/* Put the received descriptors into fds[], as many as fit, and close the rest. Returns how many;
** *lost: one could not be taken over. */
static int collect_fds(struct msghdr *m, int *fds, int room, bool *lost) {
    int kept = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (int i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + sizeof fd * (size_t)i, sizeof fd);
            *lost |= fd == -1;
            if (kept < room && fd != -1)
                fds[kept++] = fd;
            else
                tine__close(&fd);
        }
    }
    return kept;
}

static void drop_fds(int *fds, int *nfds) {
    while (*nfds > 0)
        tine__close(&fds[--*nfds]);
}

ssize_t tine__control_receive(int fd, void *data, size_t size, int *fds, int *nfds) {
    struct iovec v = {data, size};
    union ancillary a;
    struct msghdr m = {
        .msg_iov = &v, .msg_iovlen = 1, .msg_control = &a, .msg_controllen = sizeof a};
    int room = nfds ? *nfds : 0;
    int resets = 0;
    bool lost = false;
    ssize_t n;
    if (nfds)
        *nfds = 0;
    if (!tine__fd_ours(fd))
        return TINE_ESYSTEM;
    /* A peer that closed while messages of ours were unread causes a reset. It is reported once,
    ** and before the peer's own last messages, which must be read first: try again. */
    do
        n = tine__fd_receive(fd, &m);
    while (n == -1 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
    if (room > CONTROL_FDS)
        room = CONTROL_FDS;
    int kept = n == -1 ? 0 : collect_fds(&m, fds, room, &lost);
    if (n != -1 && (lost || m.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) {
        /* The message was longer than agreed, or we have no descriptors left:
        ** half a message is useless. */
        drop_fds(fds, &kept);
        errno = m.msg_flags & MSG_TRUNC ? EMSGSIZE : EMFILE;
        n = -1;
    }
    if (nfds)
        *nfds = kept;
    if (n >= 0 || errno == ECONNRESET)
        return n >= 0 ? n : 0;
    return errno == EAGAIN ? TINE_EAGAIN : TINE_ESYSTEM;
}
