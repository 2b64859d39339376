/* Connection: to one job server, which never blocks: what is to be sent waits in memory until there is room, what has
** come is read packet by packet. Client and worker at once, as the protocol allows. Its user polls it, and keeps the
** time; it is closed by itself when the other end has gone, and opened again when the user says so.
*/
#ifndef TINE_GEARMAN_CONNECTION_H
#define TINE_GEARMAN_CONNECTION_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/clock.h"
#include "gearman/address.h"
#include "gearman/packet.h"

struct gm_conn {
    const struct gm_address *address; /* borrowed */
    unsigned way;                     /* of its ways: that which it goes, or tries next */
    unsigned untried; /* so many others are to be tried before it says that it cannot connect */
    int fd;           /* -1: closed */
    bool connecting;  /* not there yet: what is written waits */
    bool readable;    /* there may be something to be read */
    int error;        /* errno, why it was closed; 0: the server has closed it */
    bool broken;    /* by `error`: it is to be closed when nobody looks at what has come any more */
    uint64_t heard; /* when something came last, or this way was begun (ns) */
    uint64_t owing; /* since when it owes us a sign of life; 0: it does not */
    bool full;      /* it has not taken all at once */
    struct buf in, out;
    size_t taken, sent; /* of them */
};

void tine__gm_init(struct gm_conn *c, const struct gm_address *address);
/* Begin to connect, on the next way where one fails at once. False: all have failed (error). */
bool tine__gm_open(struct gm_conn *c, uint64_t now);
void tine__gm_close(struct gm_conn *c);

/* How long one way is tried, so that all of them together take so long at most. */
static inline uint64_t gm_patience(const struct gm_conn *c, uint64_t all) {
    return all / c->address->nways;
}

static inline bool gm_is_open(const struct gm_conn *c) {
    return c->fd != -1 && !c->connecting;
}
/* Something waits to be sent. */
static inline bool gm_wants_out(const struct gm_conn *c) {
    return c->fd != -1 && (c->connecting || c->sent < c->out.len);
}

/* Fills in what to poll for. */
void tine__gm_poll(const struct gm_conn *c, struct pollfd *fd);
/* What has come of it. *opened is set when the connection has just been made. */
void tine__gm_polled(struct gm_conn *c, short events, bool *opened);

/* Send a request, as soon as there is room. False: it is closed, or there is no memory, which closes it. */
bool tine__gm_send(struct gm_conn *c, enum gm_type type, unsigned nargs,
                   const struct gm_text *args);
/* The same of an administrative command. */
bool tine__gm_say(struct gm_conn *c, const char *line);
/* Let the system have what it takes. */
void tine__gm_flush(struct gm_conn *c);
/* What was said just now is a question: it owes us a sign of life from now on, if it did not already. That is whatever comes,
** and that it goes on taking what had to wait: a question that stands behind a large packet cannot be answered sooner. */
static inline void gm_asked(struct gm_conn *c, uint64_t now) {
    if (c->owing == 0)
        c->owing = now;
}
/* When it is lost if it gives none, so long after it was asked; UINT64_MAX: it owes none. */
static inline uint64_t gm_lost_at(const struct gm_conn *c, uint64_t lost_after) {
    return c->owing ? clock_after(c->owing, lost_after) : UINT64_MAX;
}

/* The next packet; what it points to is good until the next call. False: there is none yet, or the connection has been
** closed meanwhile. */
bool tine__gm_receive(struct gm_conn *c, struct gm_packet *out, uint64_t now);

#endif
