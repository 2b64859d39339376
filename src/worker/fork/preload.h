/* Preload: what a pool runs once in its fork server, before the first worker is forked. */
#ifndef TINE_WORKER_FORK_PRELOAD_H
#define TINE_WORKER_FORK_PRELOAD_H

#include "worker/fork/server.h"

/* Run the pool's preload calls. 0; TINE_ETASK: one failed, and the submitter was told
** (NOPRELOAD); TINE_ESYSTEM. */
int tine__server_preload(struct server *s);

#endif
