/* Pages: a file of events, one JSON array. Wherever a kill cuts the file off, it is a valid array
** but for the closing bracket.
**
** When a program is killed in the midst of a write, the kernel stops at a page border of the file.
** So no event lies across such a border, unless it is longer than a page: the rest of a page is
** filled with blanks, and pages are written one by one.
*/
#ifndef TINE_TRACE_PAGES_H
#define TINE_TRACE_PAGES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGES_SIZE 4096u

struct pages {
    int fd;
    bool regular;     /* a regular file: it can be truncated */
    bool any;         /* an event has been put */
    uint64_t at;      /* bytes that were written: whole events */
    size_t n;         /* bytes of `page` that were not written yet */
    atomic_int error; /* an errno: nothing is written any more; any thread may read this */
    char page[PAGES_SIZE];
};

/* Write to this descriptor (of tine__fd_create), which the pages own from now on. 0, or -1 with
** errno: the file is not empty, and cannot be truncated. */
int tine__pages_open(struct pages *p, int fd, bool regular);
void tine__pages_put(struct pages *p, const char *event, size_t length);
void tine__pages_flush(struct pages *p);
/* Write the rest and the closing bracket. Closes the descriptor. */
void tine__pages_close(struct pages *p);
/* The length of the file after it was closed. */
uint64_t tine__pages_length(const struct pages *p);
/* Go on behind the last event. The file must be as it was when it was closed. */
int tine__pages_reopen(struct pages *p, int fd);

#endif
