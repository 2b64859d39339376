/* Far printer: the thread that writes the lines of tasks on other machines to the program's own stdout and stderr, behind
** their labels. It is there only where there are such tasks; for a stdout that does not go on it alone waits.
**
** What comes in stands in a queue of its own memory: who puts it there sees to it that there is not too much
** (far_output_unwritten).
*/
#ifndef TINE_SITE_FAR_PRINTER_H
#define TINE_SITE_FAR_PRINTER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "site/lines.h"

struct far_printer;

/* What a call prints: counted by who puts it in and by what stands in the queue. */
struct far_output {
    atomic_uint refs;
    _Atomic uint64_t written; /* bytes, */
    uint64_t given;           /* of so many: the site's */
    /* the thread's */
    char *prefix; /* of the task that prints just now, or NULL */
    struct lines lines[2];
};

enum far_stream {
    FAR_LABEL,  /* another task begins to print: this is its label */
    FAR_STDOUT, /* = 1 */
    FAR_STDERR,
    FAR_END /* it prints no more: what there is of lines is to be some. Counts as a byte */
};

/* It rings `manager`, which is borrowed, when it has written something and *wrote was not set already, and when it is over.
** 0, TINE_ESYSTEM, TINE_ENOMEM. */
int tine__far_printer_start(struct far_printer **out, int manager, atomic_bool *wrote);
void tine__far_printer_put(struct far_printer *p, struct far_output *o, enum far_stream to,
                           const char *bytes, size_t n);
/* Nothing comes any more: it writes what is left, and is over. True: it is. NULL is fine. */
bool tine__far_printer_finish(struct far_printer *p);
/* Waits for that. NULL is fine. */
void tine__far_printer_close(struct far_printer *p);

/* Counted once; NULL: no memory. */
struct far_output *tine__far_output_new(void);
/* NULL is fine. */
void tine__far_output_unref(struct far_output *o);

static inline uint64_t far_output_unwritten(const struct far_output *o) {
    return o->given - atomic_load(&o->written);
}

#endif
