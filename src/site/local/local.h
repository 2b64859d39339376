/* The local site: workers forked on this machine.
**
** A fork server behind a control socket (worker/protocol.h), the call queue (ipc/queue.h), and a link
** to each worker (ipc/link.h). Who has taken which call is written in the queue's own words; what is
** known of it is kept for each call by its number, so that nothing is searched for but at a death.
*/
#ifndef TINE_SITE_LOCAL_LOCAL_H
#define TINE_SITE_LOCAL_LOCAL_H

#include "ipc/queue.h"
#include "ipc/wakeup.h"
#include "site/site.h"
#include "worker/boot.h"

/* Calls that the queue has room for: what the scheduler may have handed over beyond those that run. */
#define LOCAL_SLOTS QUEUE_SLOTS

/* `workers` is the highest id. On failure errno tells with TINE_ESYSTEM. Fills in *bells (the fds of which
** it owns, except that of the wakeup). */
int tine__local_open(struct site **out, unsigned workers, bool spawn, const struct boot *boot,
                     struct wakeup *manager, struct site_bells *bells);

#endif
