/* Printer: the thread that writes the lines of tasks with prefixes to the program's own stdout and stderr.
**
** It is there only where there are such tasks. What they print comes out of pipes, as with capturing (output.c), but is
** read by this thread alone: when the program's stdout does not go on, neither do they, as if it were their own, and nobody
** else in the pool waits.
**
** A task has ended only when its lines are written: its worker waits until we have closed the end of a pipe that came along
** (struct print_note). Those of a task whose worker was killed are written nevertheless.
*/
#ifndef TINE_SITE_LOCAL_PRINTER_H
#define TINE_SITE_LOCAL_PRINTER_H

#include <stdbool.h>
#include "base/hot.h"

struct printer;

/* Start it. It reads notes from `socket` and rings `manager` when it is over: both are borrowed, and must be there until
** then. 0, TINE_ESYSTEM, TINE_ENOMEM. */
int tine__printer_start(struct printer **out, int socket, int manager);
/* No task prints any more. It writes what is left, and is over. */
void tine__printer_finish(struct printer *p);
COLD bool tine__printer_over(struct printer *p);
/* When it is over: join it. NULL is fine. */
void tine__printer_close(struct printer *p);

#endif
