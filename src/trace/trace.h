/* Trace: writes what a pool does into a file, as it happens, in the Trace Event format, which
** Perfetto, Chrome's trace viewer and `tine report` read.
**
** A pool tells what has happened (functions below, under its lock). That only stores a record in
** memory (block.h), some hundred instructions a task. A thread of the file, which is there only
** while something is traced, formats the records (format.h) and writes them (file.h). Pools of a
** program that name the same file share it.
**
** If the file cannot be written the trace ends, and the program goes on: tine__trace_trouble says
** why.
*/
#ifndef TINE_TRACE_TRACE_H
#define TINE_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "msg/label.h"
#include "msg/parting.h"

struct trace;

/* Open a trace of pool `pool` into `file`; in this name %p stands for the number of this process,
** %n for that of the pool. 0; TINE_ESYSTEM (errno: the file cannot be opened), TINE_ENOMEM. *out is
** NULL when nothing is to be traced: `file` is NULL or empty, or this is a worker (`inner`) and
** `file` has no %p. Call this once for each pool of the process, as it counts them. */
int tine__trace_open(struct trace **out, const char *file, const char *pool, bool inner);
/* Write all that was told. The last trace of a file closes it. Nothing may be told any more. */
void tine__trace_end(struct trace *t);
/* End and free the trace. NULL is fine. */
void tine__trace_free(struct trace *t);

/* --- telling --- */

/* A task has ended, or an attempt of it. */
struct trace_task {
    const struct task_name *name; /* of the first task of its call */
    uint32_t k;                   /* which task of the call it is */
    uint64_t parent;              /* the task that has submitted it, 0: none has */
    uint32_t attempt;             /* from 1; 0: it never ran */
    unsigned worker;              /* that ran it; 0: none */
    unsigned before;              /* the worker of the attempt before, if that is known, */
    uint64_t before_at;           /* and when that attempt began, 0: not known */
    /* Times (ns of the clock). `started` is 0 if it has not run, or the time is not known. */
    uint64_t submitted, started, ended;
    int code;          /* how it ended: 0, or TINE_E... */
    const char *error; /* why: text of `error_len` bytes, which the caller keeps; or NULL */
    size_t error_len;
};
void tine__trace_task(struct trace *t, const struct trace_task *task);

/* A worker was asked for at `since`, and could take tasks at `ready`. */
void tine__trace_ready(struct trace *t, unsigned worker, int pid, uint64_t since, uint64_t ready);
/* The worker that is told as `worker` is number `number` on host `host`. */
void tine__trace_place(struct trace *t, unsigned worker, const char *host, unsigned number);
/* A worker has ended. */
void tine__trace_exit(struct trace *t, const struct worker_exit *x, uint64_t now);
/* The pool is broken, or was killed. */
void tine__trace_stopped(struct trace *t, const char *message, uint64_t now);
/* Counters at one moment. */
struct trace_counts {
    uint64_t at;
    uint64_t pending, running, workers;
};
void tine__trace_count(struct trace *t, const struct trace_counts *counts);

/* --- trouble --- */

/* Why the file ends early, as text, to be freed. NULL: nothing has gone wrong, or it was told
** before. Cheap if all is well. */
char *tine__trace_trouble(struct trace *t);

#endif
