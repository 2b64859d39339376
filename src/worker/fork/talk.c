/* Messages on the control socket, for the fork server and the worker ahead. */
#include <errno.h>
#include <poll.h>

#include "base/buf.h"
#include "base/error.h"
#include "ipc/control.h"
#include "worker/fork/server.h"

/* The submitter reads all the time; if it cannot keep up, wait. If it has died
** the message is dropped. */
static int send_packet(const struct server *s, const void *packet, size_t length) {
    struct pollfd p[2] = {{s->control, POLLOUT, 0}, {s->life, POLLIN, 0}};
    int err;
    while ((err = tine__control_send(s->control, packet, length, NULL, 0)) == TINE_EAGAIN)
        if (poll(p, 2, -1) > 0 && p[1].revents)
            return 0;
    return err;
}

int tine__server_tell(const struct server *s, const struct message *m, const void *bytes,
                      size_t length) {
    struct buf packet;
    if (length == 0)
        return send_packet(s, m, sizeof *m);
    tine__buf_init(&packet);
    int err = buf_append(&packet, m, sizeof *m);
    if (!err)
        err = buf_append(&packet, bytes, length);
    if (!err)
        err = send_packet(s, packet.data, packet.len);
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
