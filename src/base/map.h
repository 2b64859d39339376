/* Map: our shared memory, made so that a child forked by the program does not share it.
**
** Such a child must neither keep the memory alive nor write into it. But it may have pointers into
** it, and follow them before it finds out that it is a child. So it gets empty memory of its own in
** the same place.
**
** Any thread.
*/
#ifndef TINE_BASE_MAP_H
#define TINE_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Map `size` bytes of a file of ours, from byte `offset` on. NULL: errno (EBADF: the descriptor is
** not ours any more). */
void *tine__map(int fd, uint64_t offset, size_t size, bool writable);
void tine__unmap(void *base, size_t size);

/* In a process forked from the program that is becoming one of Tine's: unmap everything. */
void tine__map_drop(void);

/* How many forks of the program there were between the first process and this one. Memory mapped
** when the count was lower is empty here. */
extern unsigned tine__map_forks;

/* Around a fork of the program (worker/root/root.c). */
void tine__map_before_fork(void);
void tine__map_after_fork(bool child);

#endif
