#include "gearman/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>
#include "base/error.h"
#include "base/fd.h"
#include "base/sys.h"

#define CHUNK 65536u    /* least room for a read */
#define KEEP (8u << 20) /* a larger buffer is freed when it is empty */

void tine__gm_init(struct gm_conn *c, const struct gm_address *address) {
    *c = (struct gm_conn){.address = address, .fd = -1};
    tine__buf_init(&c->in);
    tine__buf_init(&c->out);
}

void tine__gm_close(struct gm_conn *c) {
    if (c->connecting) /* this way has failed */
        c->way = (c->way + 1) % c->address->nways;
    tine__close(&c->fd);
    tine__buf_free(&c->in);
    tine__buf_free(&c->out);
    c->taken = c->sent = 0;
    c->connecting = c->readable = c->broken = false;
}

static void fail(struct gm_conn *c, int error) {
    tine__gm_close(c);
    c->error = error;
}

/* Mark the connection as failed. It is closed by the next tine__gm_receive: its other users could
** not tell anybody. */
static void spoil(struct gm_conn *c, int error) {
    if (!c->broken)
        c->error = error;
    c->broken = c->readable = true;
}

/* Begin to connect on the present way. False: failed; the next way is now the present one. */
static bool try_way(struct gm_conn *c) {
    const int on = 1;
    const struct gm_way *way = &c->address->ways[c->way];
    c->error = 0;
    c->connecting = true;
    c->fd = tine__fd_stream(way->socket.ss_family);
    if (c->fd == -1) {
        fail(c, errno);
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(c->fd, (const struct sockaddr *)&way->socket, way->length) == 0 ||
        errno == EINPROGRESS)
        return true;
    fail(c, errno);
    return false;
}

static bool try_others(struct gm_conn *c) {
    bool begun = false;
    while (!begun && c->untried > 0) {
        c->untried--;
        begun = try_way(c);
    }
    return begun;
}

bool tine__gm_open(struct gm_conn *c, uint64_t now) {
    c->heard = now;
    c->owing = 0;
    c->full = false;
    c->untried = c->address->nways;
    return try_others(c);
}

void tine__gm_poll(const struct gm_conn *c, struct pollfd *fd) {
    *fd = (struct pollfd){.fd = c->fd, .events = POLLIN};
    if (c->connecting)
        fd->events = POLLOUT;
    else if (gm_wants_out(c))
        fd->events |= POLLOUT;
}

void tine__gm_polled(struct gm_conn *c, short events, bool *opened) {
    int error = 0;
    socklen_t size = sizeof error;
    *opened = false;
    if (c->fd == -1 || !events)
        return;
    if (c->connecting) {
        if (!tine__fd_ours(c->fd) || getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size) == -1 ||
            error) {
            fail(c, error ? error : errno);
            c->heard = tine__now(); /* the next way gets as much time */
            try_others(c);
            return;
        }
        c->connecting = false;
        *opened = true;
    }
    c->readable |= (events & (POLLIN | POLLHUP | POLLERR)) != 0;
    if (events & POLLOUT)
        tine__gm_flush(c);
}

bool tine__gm_send(struct gm_conn *c, enum gm_type type, unsigned nargs,
                   const struct gm_text *args) {
    if (c->fd != -1 && tine__gm_write(&c->out, type, nargs, args))
        spoil(c, ENOMEM);
    return c->fd != -1 && !c->broken;
}

bool tine__gm_say(struct gm_conn *c, const char *line) {
    if (c->fd != -1 && buf_append(&c->out, line, strlen(line)))
        spoil(c, ENOMEM);
    return c->fd != -1 && !c->broken;
}

/* The buffer was used up. */
static void empty(struct buf *b, size_t *at) {
    *at = b->len = 0;
    if (b->cap > KEEP)
        tine__buf_free(b);
}

void tine__gm_flush(struct gm_conn *c) {
    while (gm_is_open(c) && c->sent < c->out.len) {
        ssize_t n = -1;
        if (tine__fd_ours(c->fd)) /* else its number may be that of a socket of the program's */
            n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n >= 0) {
            c->sent += (size_t)n;
            if (c->full)
                c->owing = 0;
            c->full = false;
        } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
            c->full = true;
            return;
        } else if (errno != EINTR) {
            spoil(c, errno);
        }
    }
    if (c->out.len > 0 && c->sent == c->out.len)
        empty(&c->out, &c->sent);
}

/* Make room for the rest of the present packet, or for some more bytes. False: no memory. */
static bool make_room(struct gm_conn *c) {
    size_t have = c->in.len - c->taken;
    if (c->taken > 0) {
        memmove(c->in.data, c->in.data + c->taken, have);
        c->in.len = have;
        c->taken = 0;
    }
    size_t size = tine__gm_size(c->in.data, have);
    size_t more = size > have && size - have > CHUNK ? size - have : CHUNK;
    return more < GM_MOST && buf_reserve(&c->in, more) == 0;
}

/* Read what has come. False: nothing. */
static bool fill(struct gm_conn *c, uint64_t now) {
    if (!c->readable || !gm_is_open(c))
        return false;
    if (!make_room(c)) {
        fail(c, ENOMEM);
        return false;
    }
    size_t room = c->in.cap - c->in.len;
    ssize_t n = -1;
    if (tine__fd_ours(c->fd)) /* as in tine__gm_flush */
        n = recv(c->fd, c->in.data + c->in.len, room, 0);
    if (n > 0) {
        c->in.len += (size_t)n;
        c->heard = now;
        c->owing = 0;
        c->readable = (size_t)n == room;
        return true;
    }
    if (n == -1 && errno == EINTR)
        return true;
    c->readable = false;
    if (n == 0)
        fail(c, 0);
    else if (errno != EAGAIN && errno != EWOULDBLOCK)
        fail(c, errno);
    return false;
}

bool tine__gm_receive(struct gm_conn *c, struct gm_packet *out, uint64_t now) {
    while (c->fd != -1) {
        if (c->broken) {
            fail(c, c->error);
            return false;
        }
        size_t n = tine__gm_read(c->in.data + c->taken, c->in.len - c->taken, out);
        if (n == GM_BAD) {
            fail(c, EPROTO);
            return false;
        }
        if (n > 0) {
            c->taken += n;
            return true;
        }
        if (c->taken == c->in.len && c->in.len > 0)
            empty(&c->in, &c->taken);
        if (!fill(c, now))
            return false;
    }
    return false;
}
