/* How the processes of this floor talk over the control socket: what fork server and worker ahead share of it. */
#include <errno.h>
#include <poll.h>

#include "base/buf.h"
#include "base/error.h"
#include "ipc/control.h"
#include "worker/fork/server.h"

int tine__server_tell(const struct server *s, const struct message *m, const void *bytes,
                      size_t length) {
    struct pollfd p[2] = {{s->control, POLLOUT, 0}, {s->life, POLLIN, 0}};
    struct buf packet;
    tine__buf_init(&packet);
    int err = buf_append(&packet, m, sizeof *m);
    if (!err && length > 0)
        err = buf_append(&packet, bytes, length);
    while (!err && (err = tine__control_send(s->control, packet.data, packet.len, NULL, 0)) ==
                       TINE_EAGAIN) {
        err = 0;
        if (poll(p, 2, -1) > 0 && p[1].revents)
            break;
    }
    tine__buf_free(&packet);
    return err;
}

int tine__server_receive(struct server *s, enum message_kind kind, struct message *m, int *fds,
                         int n) {
    struct pollfd p[2] = {{s->control, POLLIN, 0}, {s->life, POLLIN, 0}};
    int nfds = n;
    while (poll(p, 2, -1) == -1 && errno == EINTR)
        ;
    if (p[1].revents)
        return TINE_ESHUTDOWN;
    ssize_t size = tine__control_receive(s->control, m, sizeof *m, fds, &nfds);
    if (size == 0)
        return TINE_ESHUTDOWN;
    if (size == sizeof *m && m->kind == kind && nfds == n)
        return 0;
    errno = size < 0 ? errno : EPROTO;
    return TINE_ESYSTEM;
}
