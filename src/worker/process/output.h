/* Output: stdout and stderr of workers, so that lines of several workers do not mix.
**
** Workers share a pipe, a file or a terminal, and what one write(2) carries stays together as long as
** it is not longer than PIPE_BUF (4,096 bytes). So the two streams become streams of our own, which
** write whole lines, at most 4,096 bytes at a time: stdout when its buffer is full, when it is
** flushed, and at the end of each task (line by line when it is a terminal); stderr line by line.
** A line that is not finished when the buffer is full waits for its rest; when a stream is flushed,
** or is unbuffered (setvbuf "no"), everything goes out at once. A longer line may be cut by others.
**
** A reader that has gone away does not kill a worker: its writes fail with EPIPE. SIGPIPE keeps its
** default disposition, for programs that tasks start.
*/
#ifndef TINE_WORKER_PROCESS_OUTPUT_H
#define TINE_WORKER_PROCESS_OUTPUT_H

#include <stdbool.h>

/* Replace `stdout` and `stderr`: before luaL_openlibs, which keeps them. 0 or TINE_ESYSTEM (then the old
** ones stay). */
int tine__output_open(void);
/* Descriptors 1 and 2 have become others: choose the kind of buffering. */
void tine__output_redirected(void);
/* How the two streams are buffered. */
struct output_manner {
    bool pipe[2], diverted[2];
    int mode[2]; /* of setvbuf */
};
void tine__output_manner(struct output_manner *m);
/* Write all that was printed, and go on in this manner; NULL: descriptors 1 and 2 lead elsewhere for a while, where every
** byte is to be at once. */
void tine__output_change(const struct output_manner *m);
/* Write all that was printed; costs next to nothing when nothing was. */
void tine__output_flush(void);

#endif
