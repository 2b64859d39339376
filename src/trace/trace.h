/* Trace: what a pool does, written as it goes into a file in the Trace Event format, which Perfetto, Chrome's
** trace viewer and `tine report` read.
**
** A pool tells what has happened (below, under its lock: some hundred instructions a task, nothing formatted, nothing
** written), into memory of its trace (block.h). A thread of the file's, there only while something is traced, makes
** text of it (format.h) and writes it (file.h). Pools of a program that name the same file share it.
**
** What cannot be written ends the trace, and nothing else: tine__trace_trouble says why.
*/
#ifndef TINE_TRACE_TRACE_H
#define TINE_TRACE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "msg/label.h"
#include "msg/parting.h"

struct trace;

/* A trace of the pool of this name into the file of that name, in which %p is the number of this process, %n that of
** the pool. 0; TINE_ESYSTEM (errno: it cannot be opened), TINE_ENOMEM. *out is NULL when nothing is to be traced:
** `file` is NULL or empty, or (`inner`) this is a worker, and the name does not tell them apart. Counts the pools of
** this process: to be called for each, once. */
int tine__trace_open(struct trace **out, const char *file, const char *pool, bool inner);
/* All that was told is in the file, which is closed by the last one that shares it. Nothing may be told any more. */
void tine__trace_end(struct trace *t);
/* Ends it first. NULL is fine. */
void tine__trace_free(struct trace *t);

/* --- telling --- */

/* A task has ended, or an attempt of it. */
struct trace_task {
    const struct task_name *name; /* of the first task of its call, */
    uint32_t k;                   /* of which it is this one */
    uint64_t parent;              /* the task that has submitted it, 0: none has */
    uint32_t attempt;             /* from 1; 0: it never ran */
    unsigned worker;              /* where; 0: nowhere */
    unsigned before;              /* where the attempt before this one was, if it is known, */
    uint64_t before_at;           /* and when that began, 0: not known */
    /* By the clock (ns); `started` is 0 if it has not run, or that is not known. */
    uint64_t submitted, started, ended;
    int code;          /* how: 0, or TINE_E... */
    const char *error; /* and why; text of `error_len` bytes, not its own, or NULL */
    size_t error_len;
};
void tine__trace_task(struct trace *t, const struct trace_task *task);

/* A worker was asked for at `since`, and could take tasks at `ready`. */
void tine__trace_ready(struct trace *t, unsigned worker, int pid, uint64_t since, uint64_t ready);
/* What is told of as `worker` is worker `number` of another machine. */
void tine__trace_place(struct trace *t, unsigned worker, const char *host, unsigned number);
/* A worker has ended. */
void tine__trace_exit(struct trace *t, const struct worker_exit *x, uint64_t now);
/* The pool is broken, or was killed. */
void tine__trace_stopped(struct trace *t, const char *message, uint64_t now);
/* So many there are at this moment. */
struct trace_counts {
    uint64_t at;
    uint64_t pending, running, workers;
};
void tine__trace_count(struct trace *t, const struct trace_counts *counts);

/* --- trouble --- */

/* Why the file has no more, as text, for the first one that asks; NULL: nothing has gone wrong, or that was said. To be
** freed. Cheap when there is nothing. */
char *tine__trace_trouble(struct trace *t);

#endif
