/* Lines: output of tasks, in pieces of any size, turned into whole lines behind a prefix. A single
** write of at most PIPE_BUF bytes stays together, so short lines are gathered up to that size, and
** a longer line is written alone. A line longer than a megabyte is broken.
**
** Writing may block until someone reads the stream, so these functions are for threads that nobody
** waits for. They take no lock.
*/
#ifndef TINE_SITE_LINES_H
#define TINE_SITE_LINES_H

#include "base/buf.h"

#define LINES_PAGE 4096u /* PIPE_BUF */

/* Lines for one stream, waiting to be written. */
struct page {
    int to; /* 1 or 2 */
    size_t used;
    char bytes[LINES_PAGE];
};

/* One output stream of a task. */
struct lines {
    int to;             /* 1 or 2 */
    const char *prefix; /* borrowed */
    size_t length;      /* of the prefix */
    struct buf line;    /* the last line, not complete yet */
};

void tine__lines_init(struct lines *l, int to, const char *prefix, size_t length);
/* Write the prefix for tasks with this label to `out`, `length` + 3 bytes. */
void tine__lines_prefix(char *out, const char *label, size_t length);
void tine__lines_add(struct page *p, struct lines *l, const char *text, size_t n);
/* Complete the last line, if there is one. */
void tine__lines_end(struct page *p, struct lines *l);
/* Write the waiting lines. What cannot be written is lost. */
void tine__page_flush(struct page *p);

#endif
