/* Format: turns records into events of the Trace Event format. It writes nothing.
**
** ROWS. The process is the program. Each worker id has a row ("worker 3"), whichever process has
** that id. The row "queue" has the tasks that never ran, and the times in which tasks waited for a
** worker. The counters "tasks" (pending, running) and "workers" lie above the rows. For further
** pools all these names begin with the pool's name, or its number.
**
** EVENTS, times in µs of the clock (tine.clock):
**   X "task"     each attempt of a task: name its label, args id, attempt, how (it ended), wait (s), and error
**   X "worker"   from when a worker was asked for until it could take tasks
**   X "queue"    some task was waiting; gaps of less than 0.1 ms are not shown
**   i "worker"   a worker has ended, and why; the pool is broken
**   s, f         from an attempt of a task to the next one
**   C            counters
** Tasks that failed have a colour (cname) by the kind of their error.
*/
#ifndef TINE_TRACE_FORMAT_H
#define TINE_TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "trace/record.h"

#define FORMAT_WORKERS 4096u /* worker ids are below this */
#define FORMAT_ROWS 5000u    /* distance between the first rows of two pools */

struct formatter {
    void (*put)(void *arg, const char *event, size_t length); /* takes a finished event */
    void *arg;
    struct buf text;  /* of the event that is being made */
    char process[40]; /* ,"pid":...,"tid": */
    unsigned process_length;
    uint64_t base;                       /* row of worker 0 */
    char prefix[400];                    /* of the names of the pool's rows, as JSON */
    uint64_t named[FORMAT_WORKERS / 64]; /* a bit per worker: its row has a name; 0: the queue */
    struct {
        uint64_t from, to, longest, n; /* n tasks have waited in this time; not put yet */
        uint64_t told;                 /* waiting before this time was put */
    } wait;
};

/* Prepare for the events of pool number `n` of this process. */
void tine__format_open(struct formatter *f, unsigned n, const char *pool);
void tine__format_close(struct formatter *f);
/* Put the events that come first; in a new file (`program` is not NULL) the program's name, too. */
void tine__format_begin(struct formatter *f, const char *program);
/* Put the events of a record, if there is memory for them. */
void tine__format(struct formatter *f, const struct trace_record *r);
/* There are no more records for now: put what was kept back to be joined with later events. */
void tine__format_rest(struct formatter *f);

#endif
