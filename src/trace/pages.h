/* Pages: a file of events, one JSON array, of which every beginning that a killed program leaves is one, but for the
** closing bracket.
**
** The kernel lets a write of a killed program go on to the end of a page of the file. So no event lies across the
** border of two, unless it is longer than one: what is left of a page is filled with blanks, and pages are written
** one by one.
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
    bool regular;     /* a file that has an end, and can be cut there */
    bool any;         /* there is an event */
    uint64_t at;      /* bytes written: whole events */
    size_t n;         /* bytes of `page` that are not */
    atomic_int error; /* an errno: nothing is written any more; any thread may look */
    char page[PAGES_SIZE];
};

/* The descriptor (of tine__fd_create) is the pages' from now on. 0 or -1 with errno: it is not empty, and cannot be made
** so. */
int tine__pages_open(struct pages *p, int fd, bool regular);
void tine__pages_put(struct pages *p, const char *event, size_t length);
void tine__pages_flush(struct pages *p);
/* Whole: with the bracket. Closes the descriptor. */
void tine__pages_close(struct pages *p);
/* Bytes of a file that was closed. */
uint64_t tine__pages_length(const struct pages *p);
/* Go on behind its last event: the file is as it was when it was closed. */
int tine__pages_reopen(struct pages *p, int fd);

#endif
