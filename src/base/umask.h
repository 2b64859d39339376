/* The file mode mask of this process, read without changing it: the program may have threads. */
#ifndef TINE_BASE_UMASK_H
#define TINE_BASE_UMASK_H

#include <sys/types.h>

/* 022 when the system does not tell. */
mode_t tine__umask(void);

#endif
