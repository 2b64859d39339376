/* The site of a pool without processes: one worker inside the program (worker/inner/inner.h), which runs calls in whatever
** thread of the program asks for it (site_ops.work): the one that submits, or one that waits.
**
** Nothing can be ended by force here: a call that has begun ends by itself, orders to stop it come too late.
*/
#ifndef TINE_SITE_HERE_HERE_H
#define TINE_SITE_HERE_HERE_H

#include "ipc/wakeup.h"
#include "site/site.h"
#include "worker/boot.h"

#define HERE_SLOTS 1024 /* calls that may have been handed over */

struct inner_chore;
struct settings;

/* As tine__local_open; the site has one worker. `defaults`: the pool's, borrowed for its life. `timers`: sees to what is
** due by the clock, without the pool's lock held; who runs a task does so all the while, because the manager, whose job it
** is, may be in a callback, and be the thread that runs it. */
int tine__here_open(struct site **out, const struct boot *boot, struct wakeup *manager,
                    struct site_bells *bells, const struct settings *defaults,
                    const struct inner_chore *timers);

#endif
