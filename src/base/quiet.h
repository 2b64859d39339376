/* Quiet: writes that fail with an error and raise no signal, whatever the program does with SIGPIPE
** (nobody reads any more) and SIGXFSZ (the file has reached its limit). For threads in which these
** are not blocked.
*/
#ifndef TINE_BASE_QUIET_H
#define TINE_BASE_QUIET_H

#include <sys/types.h>

/* As write(2) and pwrite(2). */
ssize_t tine__quiet_write(int fd, const void *p, size_t n);
ssize_t tine__quiet_pwrite(int fd, const void *p, size_t n, off_t at);

#endif
