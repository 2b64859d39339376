/* The local site: workers forked on this machine.
**
** It has a fork server behind a control socket (worker/protocol.h), the call queue (ipc/queue.h),
** and a link to each worker (ipc/link.h). The queue's state words say which worker has taken which
** call; what is known of a call is kept by its ref, so a search is needed only when a worker dies.
*/
#ifndef TINE_SITE_LOCAL_LOCAL_H
#define TINE_SITE_LOCAL_LOCAL_H

#include "ipc/queue.h"
#include "ipc/wakeup.h"
#include "site/site.h"
#include "worker/boot.h"

/* How many calls the scheduler may hand over beyond the running ones: the size of the queue. */
#define LOCAL_SLOTS QUEUE_SLOTS

/* Open the site; `workers` is the highest worker id. 0, TINE_ENOMEM, or TINE_ESYSTEM with errno.
** Fills in *bells; the site owns their descriptors, except that of the wakeup. */
int tine__local_open(struct site **out, unsigned workers, bool spawn, const struct boot *boot,
                     struct wakeup *manager, struct site_bells *bells);

#endif
