/* Serve: a pool of this machine behind job servers (`tine serve`). Its workers run the tasks of
** submitters elsewhere; the protocol is in gearman/message.h. One thread with one poll call; the
** pool has threads of its own.
**
** As many tasks are taken from the servers as there are workers, and a few more, which are
** confirmed already when a worker becomes free.
*/
#ifndef TINE_SERVE_SERVE_H
#define TINE_SERVE_SERVE_H

#include <stdbool.h>
#include <stdint.h>
#include "gearman/message.h"

struct pool;

#define SERVE_CACHE (UINT64_C(256) << 20) /* default */

struct serve_options {
    struct gm_addresses servers;
    struct seal_keys keys;
    char name[GM_NAME];
    unsigned workers;
    uint64_t timeout;  /* ns, limit of each task; 0: none */
    uint64_t memory;   /* bytes, limit of each task; 0: none */
    uint64_t cache;    /* about how many bytes of functions and values are remembered */
    bool finish;       /* tasks whose submitter or server has gone run to their ends */
    bool only_modules; /* refuse what carries code */
    /* ns without tasks, without a server, after which serving ends; 0: never. */
    uint64_t idle, alone;
    uint64_t lost_after;
    void (*registered)(void *arg); /* called once */
    void (*log)(void *arg, const char *line);
    void *arg;
};

enum serve_end {
    SERVE_ASKED,  /* after a signal, when all tasks were done */
    SERVE_FORCED, /* by a second signal */
    SERVE_IDLE,
    SERVE_ALONE,
    SERVE_BROKEN, /* the pool is broken */
    SERVE_FAILED  /* no memory or descriptor: errno */
};

/* Serve until there is a reason to end. Takes SIGTERM and SIGINT meanwhile. */
enum serve_end tine__serve(struct pool *p, const struct serve_options *o);

#endif
