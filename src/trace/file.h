/* File: a trace file of this program, and the thread that writes it.
**
** Device and inode identify a file, not its name. A pool that names a file which is open already
** shares it. A file that was closed is continued, if nobody else has changed it since. It is an
** error if another program is writing the file.
*/
#ifndef TINE_TRACE_FILE_H
#define TINE_TRACE_FILE_H

#include <stdbool.h>
#include "base/list.h"
#include "trace/block.h"
#include "trace/format.h"

struct trace_file;

/* What one pool tells. */
struct stream {
    struct list node; /* in file->streams */
    struct blocks blocks;
    struct formatter format;
};

/* Add the stream to the file of this name, which is opened if need be. 0; TINE_ESYSTEM,
** TINE_ENOMEM. */
int tine__file_join(struct trace_file **out, const char *name, struct stream *s);
/* Write all that the stream has, and take it out. The last stream of a file closes it. */
void tine__file_leave(struct trace_file *f, struct stream *s);
/* Tell the writer that there is a record; `pressed`: that it should hurry. */
void tine__file_ring(struct trace_file *f, bool pressed);
/* Write all records of all streams now, in this thread. */
void tine__file_drain(struct trace_file *f);
/* The errno with which writing has failed for good, or 0. */
int tine__file_error(const struct trace_file *f);
/* Is this the first call for the file? So its error is told once. */
bool tine__file_tell(struct trace_file *f);
const char *tine__file_name(const struct trace_file *f);

#endif
