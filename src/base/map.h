/* Map: shared memory of ours, so that a child that the program forks does not share it.
**
** Such a child must neither keep the memory alive nor write into it; but it may have pointers to it, and
** follow them before it finds out that it is a child. So it gets empty memory of its own in that place.
**
** Any thread.
*/
#ifndef TINE_BASE_MAP_H
#define TINE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Map `size` bytes of a file of ours, from byte `offset` on. NULL: errno (EBADF: the descriptor is not ours any
** more). */
void *tine__map(int fd, uint64_t offset, size_t size, bool writable);
void tine__unmap(void *base, size_t size);

/* By a process that was forked from the program and is becoming one of ours: unmap all. */
void tine__map_drop(void);

/* How often this process is the child of a fork of the program: what was mapped when there were fewer is empty memory. */
extern unsigned tine__map_forks;

/* Around a fork of the program (worker/root/root.c). */
void tine__map_before_fork(void);
void tine__map_after_fork(bool child);

#endif
