/* Far printer: the thread that writes the output of tasks on other machines to the program's own
** stdout and stderr, line by line behind their labels. It exists only when there are such tasks; if
** stdout blocks, only this thread waits.
**
** Output waits in a queue in memory. Whoever puts it there sees to it that it does not become too
** much (far_output_unwritten).
**
** tine__far_printer_put, _finish, _forsake and _close are called under the pool's lock.
*/
#ifndef TINE_SITE_FAR_PRINTER_H
#define TINE_SITE_FAR_PRINTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "site/lines.h"

struct far_printer;

/* The output of a call. Reference-counted: by the sending, and by each block in the queue. */
struct far_output {
    atomic_uint refs;
    _Atomic uint64_t written; /* bytes written */
    uint64_t given;           /* bytes put into the queue; the site's */
    /* the thread's: */
    char *prefix; /* of the task that is printing, or NULL */
    struct lines lines[2];
};

enum far_stream {
    FAR_LABEL,  /* another task begins to print; the bytes are its label */
    FAR_STDOUT, /* = 1 */
    FAR_STDERR,
    FAR_END /* it prints no more: complete the last lines. Counts as one byte */
};

/* Start the thread. It rings `manager` (borrowed) after writing something, if *wrote was not set
** already, and when it has finished. 0, TINE_ESYSTEM, TINE_ENOMEM. */
int tine__far_printer_start(struct far_printer **out, int manager, atomic_bool *wrote);
void tine__far_printer_put(struct far_printer *p, struct far_output *o, enum far_stream to,
                           const char *bytes, size_t n);
/* Nothing comes any more: the thread writes the rest and finishes. True: it has. NULL is fine. */
bool tine__far_printer_finish(struct far_printer *p);
/* Instead of waiting until it has finished, which takes as long as nobody reads the program's
** stdout: the thread writes the rest alone, and frees everything. */
void tine__far_printer_forsake(struct far_printer *p);
/* Wait until it has finished, and free everything. NULL is fine. */
void tine__far_printer_close(struct far_printer *p);

/* With one reference; NULL: no memory. */
struct far_output *tine__far_output_new(void);
/* NULL is fine. */
void tine__far_output_unref(struct far_output *o);

static inline uint64_t far_output_unwritten(const struct far_output *o) {
    return o->given - atomic_load(&o->written);
}

#endif
