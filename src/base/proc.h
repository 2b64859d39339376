/* Proc: what the kernel says of a process of ours. */
#ifndef TINE_BASE_PROC_H
#define TINE_BASE_PROC_H

#include <stdint.h>
#include <sys/types.h>

/* Resident memory in bytes; 0: it is not there. */
uint64_t tine__proc_memory(pid_t pid);
/* What it has spent of the processor (ns), without the programs that it started; also when it has ended and is not
** reaped yet. 0: it is not there. */
uint64_t tine__proc_spent(pid_t pid);
/* No process, or thread, was to be had: say (base/why.h) which call it was, and what there may be at most. */
void tine__proc_refused(int error, const char *call);

#endif
