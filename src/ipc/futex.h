/* Futexes in memory that processes share (hence never FUTEX_PRIVATE_FLAG), and the fence for
** looking before one sleeps.
**
** All sleeping in this folder has one form. Who wants to sleep announces it, then looks once more;
** who has news stores it, then looks whether somebody announced. With `store_then_look` between the
** two steps of both, at least one of them sees the other: there is no lost wake-up, and no need of
** time-outs.
*/
#ifndef TINE_IPC_FUTEX_H
#define TINE_IPC_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleep while *word is `expected`. Returns when woken, at once when it is something else, and also
** for no reason (a signal): the caller looks again. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT, expected, NULL, NULL, 0);
}

/* The same for at most `ns`. */
static inline void futex_wait_for(_Atomic uint32_t *word, uint32_t expected, uint64_t ns) {
    const struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT, expected, &t, NULL, 0);
}

/* Wake up to `count` of those who sleep on *word. */
static inline void futex_wake(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

/* No load after it is done before the stores ahead of it are seen by all (the one reordering that
** x86 does, and that acquire and release permit). */
static inline void store_then_look(void) {
#pragma GCC diagnostic push
#ifdef __SANITIZE_THREAD__ /* it does not know fences; no data is handed over by this one */
#pragma GCC diagnostic ignored "-Wtsan"
#endif
    atomic_thread_fence(memory_order_seq_cst);
#pragma GCC diagnostic pop
}

#endif
