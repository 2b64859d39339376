/* Show: a pool tells who looks at it from outside what it does (tine top).
**
** The pool listens on a socket whose name, "tine/PID/..." in Linux's abstract space, is in /proc/net/unix: so it is
** found without any preparation, leaves nothing behind, and whatever the program is busy with, the manager thread
** answers. It answers (show_answer.c) its own user and root, by what the kernel says of who has connected
** (SO_PEERCRED), and hangs up on all others. Who looks does the same with us. A pool without that socket (there was no
** descriptor to be had) is like any other, and cannot be seen.
**
** THE LANGUAGE, version 1. The other side sends a struct show_request; we send back a struct show_reply with a descriptor of
** a file that has so many bytes: one msgpack map of plain data (show_text.c). One at a time; others wait until they are
** accepted.
**
** Touched by the manager thread alone, but for opening and closing, when that does not run. It takes the pool's lock itself
** where it says nothing else.
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
#define SHOW_PLACE 8192u /* bytes of a traceback */

enum show_what {
    SHOW_STATE,   /* statistics and workers */
    SHOW_PLACE_OF /* where task `id` stands in its Lua code */
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
    bool called;     /* the listener has somebody, or the peer has said something */
    uint64_t until;  /* ns: the peer is hung up on then; or (0: now) somebody accepted */
    uint64_t task;   /* whose place it wants to know; 0: none */
    unsigned worker; /* that runs it */
};

/* Never fails: see above. The pool is not shared yet. */
void tine__show_open(struct pool *p, const char *name);
/* Harmless when it is not open. */
void tine__show_close(struct pool *p);

/* What to sleep on: fills in fds, their number; and when something is due; UINT64_MAX. The lock is held. */
unsigned tine__show_poll(struct pool *p, struct pollfd fds[SHOW_FDS]);
void tine__show_polled(struct pool *p, const struct pollfd *fds, unsigned n);
uint64_t tine__show_due(const struct pool *p);
/* Be rid of who is connected. */
void tine__show_hang_up(struct show *s);

/* --- show_answer.c --- */

/* Answer who has asked. The lock is not held. */
void tine__show_serve(struct pool *p);

/* --- show_text.c --- */

/* What there is to say, as msgpack. 0 or TINE_ENOMEM. */
int tine__show_state(struct pool *p, struct buf *out);
/* Where the task of this worker stands: how that is known, and the traceback, if there is any. */
int tine__show_place(const struct worker_info *w, uint64_t task, const char *how, const char *text,
                     size_t length, struct buf *out);

#endif
