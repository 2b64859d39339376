/* File: where pools of this program are traced to, and the thread that writes it.
**
** A file is what it is on disk, not how it is called: who names one that is open already shares it, and one that was
** closed is gone on with if nobody else has changed it. Another program that writes it is an error.
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
    struct list node; /* of its file */
    struct blocks blocks;
    struct formatter format;
};

/* Join the file of that name. 0; TINE_ESYSTEM, TINE_ENOMEM. */
int tine__file_join(struct trace_file **out, const char *name, struct stream *s);
/* All that the stream has is written; who leaves last closes the file. */
void tine__file_leave(struct trace_file *f, struct stream *s);
/* There is something to be written; soon. */
void tine__file_ring(struct trace_file *f, bool pressed);
/* Write what there is, in this thread. */
void tine__file_drain(struct trace_file *f);
/* Nothing can be written any more: its errno, or 0. */
int tine__file_error(const struct trace_file *f);
/* Is this the first to ask that, of the file with this name? */
bool tine__file_tell(struct trace_file *f);
const char *tine__file_name(const struct trace_file *f);

#endif
