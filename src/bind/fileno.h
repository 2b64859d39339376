/* A descriptor that is readable when a pool has news. */
#ifndef TINE_BIND_FILENO_H
#define TINE_BIND_FILENO_H

#include "bind/core.h"

/* The descriptor, made at the first call; or a code. */
int tine__core_fileno(struct state *S, struct core *c);
void tine__core_close_fileno(struct state *S, struct core *c);
/* The pool has ended: close it, or while a loop may watch it let it be readable for good. */
void tine__core_end_fileno(struct state *S, struct core *c);
/* It is to be readable, or not for this reason any more. */
COLD void tine__core_ring(struct state *S, struct core *c, bool on);
/* It is to be readable from this time on (WAIT_FOREVER: not for this reason). 0 or a code. */
int tine__core_alarm(struct core *c, uint64_t deadline);
/* Callbacks have become due, or none are any more. */
void tine__due_changed(struct state *S);

#endif
