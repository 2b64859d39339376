/* pool:fileno: a descriptor that is readable while the pool has news or callbacks are due
** (fileno.c). */
#ifndef TINE_BIND_FILENO_H
#define TINE_BIND_FILENO_H

#include "bind/core.h"

/* The descriptor, made by the first call and owned by the core; or a negative code. */
int tine__core_fileno(struct state *S, struct core *c);
void tine__core_close_fileno(struct state *S, struct core *c);
/* The pool has ended: close the descriptor, or if a loop may still watch it make it readable for
** good. */
void tine__core_end_fileno(struct state *S, struct core *c);
/* Make the descriptor readable until `on` is false, for the loop that serves the pool. */
COLD void tine__core_ring(struct state *S, struct core *c, bool on);
/* Make the descriptor readable from this time on; WAIT_FOREVER: cancel that. 0 or a code. */
int tine__core_alarm(struct core *c, uint64_t deadline);
/* Callbacks have become due, or none are due any more. */
void tine__due_changed(struct state *S);

#endif
