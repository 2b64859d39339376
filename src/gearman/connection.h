/* Connection: to one job server, as client and worker at once. It never blocks: what is to be
** sent waits in memory, and what has come is read packet by packet. Its user polls the
** descriptor, keeps the time, and opens the connection again after it has closed itself because
** the server has gone.
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
    unsigned way;                     /* index of the address that is used, or tried next */
    unsigned untried;                 /* how many more ways are tried before connecting fails */
    int fd;                           /* -1: closed */
    bool connecting;                  /* not established yet: output waits */
    bool readable;                    /* there may be something to read */
    int error;                        /* errno of why it was closed; 0: closed by the server */
    /* The connection has failed with `error`; the next tine__gm_receive closes it. */
    bool broken;
    uint64_t heard; /* ns: when bytes last came, or this way was begun */
    uint64_t owing; /* ns: since when the server owes a sign of life; 0: it owes none */
    bool full;      /* the system has not taken all output */
    struct buf in, out;
    size_t taken, sent; /* bytes of `in` and `out` that were used */
};

void tine__gm_init(struct gm_conn *c, const struct gm_address *address);
/* Begin to connect, trying the next way when one fails at once. False: all have failed (error). */
bool tine__gm_open(struct gm_conn *c, uint64_t now);
void tine__gm_close(struct gm_conn *c);

/* How long one way may take, so that all together take at most `all`. */
static inline uint64_t gm_patience(const struct gm_conn *c, uint64_t all) {
    return all / c->address->nways;
}

/* Can it be used? */
static inline bool gm_is_open(const struct gm_conn *c) {
    return c->fd != -1 && !c->connecting && !c->broken;
}
/* Is output waiting? */
static inline bool gm_wants_out(const struct gm_conn *c) {
    return c->fd != -1 && (c->connecting || c->sent < c->out.len);
}

/* Fill in what to poll for. */
void tine__gm_poll(const struct gm_conn *c, struct pollfd *fd);
/* Handle what poll has returned. *opened is set if the connection was just established. */
void tine__gm_polled(struct gm_conn *c, short events, bool *opened);

/* Queue a request. False: the connection is closed, or there is no memory, which closes it. */
bool tine__gm_send(struct gm_conn *c, enum gm_type type, unsigned nargs,
                   const struct gm_text *args);
/* The same for an administrative command. */
bool tine__gm_say(struct gm_conn *c, const char *line);
/* Write as much output as the system takes. */
void tine__gm_flush(struct gm_conn *c);
/* The request that was just queued is a question: from now on the server owes a sign of life, if it
** did not already. Any bytes from it are one, and also that it goes on taking output: it cannot
** answer a question behind a large packet sooner. */
static inline void gm_asked(struct gm_conn *c, uint64_t now) {
    if (c->owing == 0)
        c->owing = now;
}
/* When the server counts as lost if it gives no sign of life; UINT64_MAX: it owes none. */
static inline uint64_t gm_lost_at(const struct gm_conn *c, uint64_t lost_after) {
    return c->owing ? clock_after(c->owing, lost_after) : UINT64_MAX;
}

/* Read the next packet, which points into memory that is valid until the next call. False: there is
** none yet, or the connection was closed. */
bool tine__gm_receive(struct gm_conn *c, struct gm_packet *out, uint64_t now);

#endif
