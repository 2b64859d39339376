/* Serve: a pool of this machine behind job servers (`tine serve`): what submitters elsewhere send is run by its workers,
** and answered (gearman/message.h says what is spoken). One thread, one poll; the pool has its own.
**
** A task is taken up as soon as a worker will be free for it: so many are here as there are workers, and a few more,
** which are confirmed already when a worker comes for them.
*/
#ifndef TINE_SERVE_SERVE_H
#define TINE_SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include "gearman/message.h"

struct pool;

#define SERVE_CACHE (UINT64_C(256) << 20) /* what who says nothing gets */

struct serve_options {
    struct gm_addresses servers;
    struct seal_keys keys;
    char name[GM_NAME];
    unsigned workers;
    uint64_t timeout;  /* ns: of every task, 0 none */
    uint64_t memory;   /* bytes, the same */
    uint64_t cache;    /* bytes of functions and values of submitters that are remembered, about */
    bool finish;       /* tasks whose submitter or server has gone run to their end */
    bool only_modules; /* what carries code is refused */
    uint64_t idle, alone; /* ns: it ends after so long without tasks, without a server; 0: never */
    uint64_t lost_after;
    void (*registered)(void *arg); /* once */
    void (*log)(void *arg, const char *line);
    void *arg;
};

enum serve_end {
    SERVE_ASKED,  /* by a signal, and all is done */
    SERVE_FORCED, /* by a second one */
    SERVE_IDLE,
    SERVE_ALONE,
    SERVE_BROKEN, /* the pool is */
    SERVE_FAILED  /* no memory, no descriptor: errno */
};

/* Serve until there is a reason to end. SIGTERM and SIGINT are its own meanwhile. */
enum serve_end tine__serve(struct pool *p, const struct serve_options *o);

#endif
