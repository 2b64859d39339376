/* Format: from records to events of the Trace Event format. Nothing is written here.
**
** ROWS. The process is the program. Each worker has a row of its own ("worker 3"), which stays when another process
** takes its place; a row "queue" has what never ran, and the times in which tasks were waiting for a worker; the
** counters "tasks" (pending, running) and "workers" lie above them. Rows of further pools of the program have the
** pool's name, or number, before all that.
**
** EVENTS, times in µs of the clock (tine.clock):
**   X "task"     each attempt of a task: name its label, args id, attempt, how (it ended), wait (s), and error
**   X "worker"   from when a worker was asked for until it could take tasks
**   X "queue"    some task was waiting; gaps of less than 0.1 ms are not shown
**   i "worker"   a worker has ended, and why; the pool is broken
**   s, f         from an attempt of a task to the next one
**   C            counters
** What failed has a colour (cname) by how it did.
*/
#ifndef TINE_TRACE_FORMAT_H
#define TINE_TRACE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/buf.h"
#include "trace/record.h"

#define FORMAT_WORKERS 4096u /* ids below; so many rows apart lie those of two pools, */
#define FORMAT_ROWS 5000u

struct formatter {
    void (*put)(void *arg, const char *event, size_t length); /* an event that is ready */
    void *arg;
    struct buf text;  /* of the one that is not */
    char process[40]; /* ,"pid":...,"tid": */
    unsigned process_length;
    uint64_t base;                       /* row of worker 0 */
    char prefix[400];                    /* of the names of its rows, as JSON */
    uint64_t named[FORMAT_WORKERS / 64]; /* workers whose rows have a name; 0 is the queue */
    struct {
        uint64_t from, to, longest, n; /* somebody waited; n 0: nobody */
        uint64_t told;                 /* until then it was said */
    } wait;
};

/* Events of pool number `n` of this process, with that name. */
void tine__format_open(struct formatter *f, unsigned n, const char *pool);
void tine__format_close(struct formatter *f);
/* What comes first, in a file that is new (`program` is not NULL) with the program's name. */
void tine__format_begin(struct formatter *f, const char *program);
/* The events of a record, if there is memory to make them. */
void tine__format(struct formatter *f, const struct trace_record *r);
/* What has been put off: there is nothing more for now. */
void tine__format_rest(struct formatter *f);

#endif
