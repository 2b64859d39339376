/* Printer: the thread that writes the output of tasks with prefixes to the program's own stdout and
** stderr.
**
** It exists only when there are such tasks. Their output comes through pipes, as captured output
** does (output.c), but this thread alone reads them. When the program's stdout blocks, these tasks
** block, as if it were their own, and nothing else in the pool waits.
**
** A task ends only when its lines are written: its worker waits until this thread has closed the
** end of a pipe that came with the note (struct print_note). The lines of a task whose worker was
** killed are written all the same; but for long the end of the pool does not wait for them.
*/
#ifndef TINE_SITE_LOCAL_PRINTER_H
#define TINE_SITE_LOCAL_PRINTER_H

#include <stdbool.h>
#include "base/hot.h"

struct printer;

/* Start the thread. It reads notes from `socket`, and rings `manager`, which is borrowed and must
** live until then, when it has finished. 0, TINE_ESYSTEM, TINE_ENOMEM. */
int tine__printer_start(struct printer **out, int socket, int manager);
/* No task prints any more: the thread writes the rest and finishes. */
void tine__printer_finish(struct printer *p);
/* Has it finished? NULL, none or one that was forsaken: yes. */
COLD bool tine__printer_over(struct printer *p);
/* Instead of waiting until it has finished, which takes as long as nobody reads the program's
** stdout: the thread goes on alone. */
COLD void tine__printer_forsake(struct printer *p);
/* Join the thread, which has finished, and free everything. NULL is fine. */
void tine__printer_close(struct printer *p);

#endif
