/* Show: a pool answers other processes that ask what it is doing (tine top).
**
** The pool listens on a socket with a name "tine/PID/..." in Linux's abstract name space, which is
** listed in /proc/net/unix. So it can be found without preparation, leaves nothing behind, and is
** served by the manager thread whatever the program is busy with (show_answer.c). It answers only
** clients of the same user and of root, as the kernel reports them (SO_PEERCRED), and hangs up on
** all others; clients check the pool in the same way. If the socket cannot be made, the pool works
** as usual and cannot be looked at.
**
** PROTOCOL, version 1. The client sends a struct show_request. The pool sends a struct show_reply
** with the descriptor of a file that holds `length` bytes: one msgpack map of plain data
** (show_text.c). Clients are served one at a time; others wait in the listener's queue.
**
** Only the manager thread uses a struct show, except for opening and closing while there is no
** manager. The functions take the pool's lock themselves, unless a comment says otherwise.
*/
#ifndef TINE_POOL_SHOW_H
#define TINE_POOL_SHOW_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include "base/buf.h"

struct pool;
struct worker_info;
struct root_watch;

#define SHOW_FDS 1
#define SHOW_MAGIC "tine-1\0"
#define SHOW_NAME 96
#define SHOW_PLACE 8192u /* most bytes of a traceback */

enum show_what {
    SHOW_STATE,   /* statistics and workers */
    SHOW_PLACE_OF /* where task `id` is in its Lua code */
};

struct show_request {
    char magic[8];
    uint32_t what; /* enum show_what */
    uint32_t padding;
    uint64_t id;
};

struct show_reply {
    char magic[8];
    uint64_t length;
};

struct show {
    char name[SHOW_NAME]; /* of the pool */
    int listener, peer;   /* -1: none */
    struct root_watch *watch;
    bool called; /* the listener has a client, or the client has sent something */
    /* When (ns) to hang up on the client; without one, when to accept again (0: now). */
    uint64_t until;
    uint64_t task;   /* the task whose place the client asked for; 0: none */
    unsigned worker; /* the worker that runs `task` */
};

/* Never fails: without a socket the pool cannot be looked at. The pool is not shared yet. */
void tine__show_open(struct pool *p, const char *name);
/* Does nothing if it is not open. */
void tine__show_close(struct pool *p);

/* Called with the pool's lock held. Fill in what the manager polls and return the number of
** descriptors; handle what poll has seen; the next time at which something is due, or
** UINT64_MAX. */
unsigned tine__show_poll(struct pool *p, struct pollfd fds[SHOW_FDS]);
void tine__show_polled(struct pool *p, const struct pollfd *fds, unsigned n);
uint64_t tine__show_due(const struct pool *p);
/* Disconnect the client. */
void tine__show_hang_up(struct show *s);

/* --- show_answer.c --- */

/* Serve the client. The pool's lock is not held. */
void tine__show_serve(struct pool *p);

/* --- show_text.c --- */

/* The pool's state as msgpack. 0 or TINE_ENOMEM. */
int tine__show_state(struct pool *p, struct buf *out);
/* The place of the worker's task as msgpack: how it is known ("lua", "c" ...), and the traceback,
** if there is one. 0 or TINE_ENOMEM. */
int tine__show_place(const struct worker_info *w, uint64_t task, const char *how, const char *text,
                     size_t length, struct buf *out);

#endif
