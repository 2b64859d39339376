/* Output: stdout and stderr of workers, so that lines of several workers do not mix.
**
** Workers share a pipe, a file or a terminal, where one write(2) of at most PIPE_BUF (4,096) bytes
** stays together. So the two streams are replaced by our own, which write whole lines, at most
** 4,096 bytes at a time: stdout when its buffer is full, when it is flushed, and at the end of each
** task (line by line on a terminal); stderr line by line. If the buffer is full in the middle of a
** line, that line waits for its rest; when a stream is flushed, or is unbuffered (setvbuf "no"),
** everything goes out at once. A line longer than that may be interrupted by others.
**
** If the reader has gone the worker is not killed: its writes fail with EPIPE. SIGPIPE keeps its
** default disposition, for programs that tasks start.
*/
#ifndef TINE_WORKER_PROCESS_OUTPUT_H
#define TINE_WORKER_PROCESS_OUTPUT_H

#include <stdbool.h>

/* Replace `stdout` and `stderr`, before luaL_openlibs keeps them. 0;
** TINE_ESYSTEM: the old ones stay. */
int tine__output_open(void);
/* Descriptors 1 and 2 were replaced: choose the kind of buffering. */
void tine__output_redirected(void);
/* How the two streams are buffered. */
struct output_manner {
    bool pipe[2], diverted[2];
    int mode[2]; /* as for setvbuf */
};
void tine__output_manner(struct output_manner *m);
/* Write everything that was printed, and go on in this manner. NULL: descriptors 1 and 2 lead
** elsewhere for a while, and every byte must be written at once. */
void tine__output_change(const struct output_manner *m);
/* Write everything that was printed; costs next to nothing if nothing was. */
void tine__output_flush(void);

#endif
