/* Wakeup: a one-way channel that wakes one sleeper. Anybody may send: any thread, a signal handler,
** another process that has the descriptor.
**
** It is an event (base/fd.h) with a flag in front: sends before the sleeper has looked are merged
** into one system call. To lose no wake-up the sleeper clears the event, then drops the flag, then
** looks for work. (The other way round, a send between the first two steps would be lost.) Closing
** is safe against a late sender in this process: senders count themselves in `users` while they
** touch the descriptor, and find it -1 afterwards.
*/
#ifndef TINE_IPC_WAKEUP_H
#define TINE_IPC_WAKEUP_H

#include <stdatomic.h>
#include <stdbool.h>

struct wakeup {
    _Atomic int fd;         /* -1: closed */
    _Atomic unsigned sent;  /* 1: a wake-up is under way and not yet seen */
    _Atomic unsigned users; /* senders inside tine__wakeup_send */
};

#define WAKEUP_CLOSED \
    (struct wakeup) { \
        -1, 0, 0 \
    }

/* 0 or TINE_ESYSTEM. */
int tine__wakeup_open(struct wakeup *w);
/* Wait until late senders are out, then close. Harmless on a closed one. */
void tine__wakeup_close(struct wakeup *w);
/* Wake the sleeper. Async-signal-safe, from any thread, never blocks, keeps errno; does
** nothing when closed. False: the program has closed or replaced the descriptor, and the
** sleeper will not hear. */
bool tine__wakeup_send(struct wakeup *w);
/* Called by the sleeper after poll said readable (or at any time): clear the event, then drop the
** flag. Look for work afterwards, not before. False: the descriptor is not ours any more. */
bool tine__wakeup_clear(struct wakeup *w);

#endif
