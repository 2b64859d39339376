/* Proc: what the kernel tells of a process. */
#ifndef TINE_BASE_PROC_H
#define TINE_BASE_PROC_H

#include <stdint.h>
#include <sys/types.h>

/* Resident memory in bytes; 0: unknown. */
uint64_t tine__proc_memory(pid_t pid);
/* Processor time that it has used (ns), without programs that it started; also of a process that
** has ended and was not reaped. 0: unknown. */
uint64_t tine__proc_spent(pid_t pid);
/* No process or thread could be made: keep (base/why.h) which call failed, and what the limit
** is. */
void tine__proc_refused(int error, const char *call);

#endif
