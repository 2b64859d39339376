/* Futexes in memory shared between processes (hence never FUTEX_PRIVATE_FLAG), and the fence that
** makes sleeping safe.
**
** All sleeping in this folder follows one pattern. The sleeper announces that it will sleep, then
** looks once more; the side with news stores the news, then looks whether anybody announced. With
** `store_then_look` between the two steps on both sides, at least one of them sees the other: no
** wake-up is lost, and no time-outs are needed.
*/
#ifndef TINE_IPC_FUTEX_H
#define TINE_IPC_FUTEX_H

#include <linux/futex.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* Sleep while *word is `expected`. Returns when woken, at once when *word differs, and sometimes
** for no reason (a signal): the caller looks again. */
static inline void futex_wait(_Atomic uint32_t *word, uint32_t expected) {
    syscall(SYS_futex, word, FUTEX_WAIT, expected, NULL, NULL, 0);
}

/* The same for at most `ns`. */
static inline void futex_wait_for(_Atomic uint32_t *word, uint32_t expected, uint64_t ns) {
    const struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    syscall(SYS_futex, word, FUTEX_WAIT, expected, &t, NULL, 0);
}

/* Wake up to `count` sleepers of *word. */
static inline void futex_wake(_Atomic uint32_t *word, int count) {
    syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
}

/* Full fence: no load after it is done before the stores ahead of it are visible to all. (That is
** the one reordering that x86 does, and that acquire and release permit.) */
static inline void store_then_look(void) {
#pragma GCC diagnostic push
#ifdef __SANITIZE_THREAD__ /* it does not know fences; no data is handed over by this one */
#pragma GCC diagnostic ignored "-Wtsan"
#endif
    atomic_thread_fence(memory_order_seq_cst);
#pragma GCC diagnostic pop
}

#endif
