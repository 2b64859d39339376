/* Lines: what tasks write to a stream, in pieces of any size, made whole lines behind a prefix, and written so that they stay
** whole: what one write carries stays together up to PIPE_BUF, so short lines are gathered up to that, and a longer one goes
** out alone. One that is longer than a megabyte is broken.
**
** Who writes may have to wait for whoever reads the stream: it is for threads that nobody waits for.
*/
#ifndef TINE_SITE_LINES_H
#define TINE_SITE_LINES_H

#include "base/buf.h"

#define LINES_PAGE 4096u /* PIPE_BUF */

/* Lines for one of the two streams that wait to be written. */
struct page {
    int to; /* 1 or 2 */
    size_t used;
    char bytes[LINES_PAGE];
};

/* One of a task's two streams. */
struct lines {
    int to;             /* 1 or 2 */
    const char *prefix; /* borrowed */
    size_t length;      /* of it */
    struct buf line;    /* that is not complete */
};

void tine__lines_init(struct lines *l, int to, const char *prefix, size_t length);
/* The prefix for tasks with this label, `length` + 3 bytes. */
void tine__lines_prefix(char *out, const char *label, size_t length);
void tine__lines_add(struct page *p, struct lines *l, const char *text, size_t n);
/* What there is of a line is to be one. */
void tine__lines_end(struct page *p, struct lines *l);
/* Write what waits. What cannot be written is lost. */
void tine__page_flush(struct page *p);

#endif
