/* Wakeup: a one-way channel by which anybody wakes one sleeper: any thread, a signal handler, or
** another process that has the descriptor.
**
** An event (base/fd.h) with a flag in front of it: sends that come before the sleeper has looked are
** merged into one system call. The order that loses no wake-up: the sleeper clears the event, then
** drops the flag, then looks for work (the other way round a send between the two is lost).
** Closing is safe against a late sender in this process: senders hold `sending` while they touch the
** descriptor and find it -1 afterwards.
*/
#ifndef TINE_IPC_WAKEUP_H
#define TINE_IPC_WAKEUP_H

#include <stdatomic.h>
#include <stdbool.h>

struct wakeup {
    _Atomic int fd;         /* -1: closed */
    _Atomic unsigned sent;  /* 1: a wake-up is under way and not yet seen */
    _Atomic unsigned users; /* senders inside tine__wakeup_send just now */
};

#define WAKEUP_CLOSED \
    (struct wakeup) { \
        -1, 0, 0 \
    }

/* 0 or TINE_ESYSTEM. */
int tine__wakeup_open(struct wakeup *w);
/* Wait until late senders are out, then close. Harmless on a closed one. */
void tine__wakeup_close(struct wakeup *w);
/* Wake the sleeper. Async-signal-safe, any thread, never blocks, does nothing on a closed one. Keeps
** errno. False: somebody has closed or replaced its descriptor, and the sleeper will not hear. */
bool tine__wakeup_send(struct wakeup *w);
/* By the sleeper, after poll said readable (or at any time): clear, then drop the flag. Look for work
** afterwards, not before. False: its descriptor is not ours any more. */
bool tine__wakeup_clear(struct wakeup *w);

#endif
