/* The site of a pool without processes: one worker inside the program (worker/inner/inner.h). It
** runs calls in whatever thread asks for it (site_ops.work): one that submits, or one that waits.
**
** Nothing can be ended by force here: a call that has begun ends by itself, and orders to stop it
** come too late.
*/
#ifndef TINE_SITE_HERE_HERE_H
#define TINE_SITE_HERE_HERE_H

#include "ipc/wakeup.h"
#include "site/site.h"
#include "worker/boot.h"

#define HERE_SLOTS 1024 /* most calls that may be handed over */

struct inner_chore;
struct settings;

/* As tine__local_open, with one worker. `defaults`: the pool's settings, borrowed for its life.
** `timers`: does what the clock demands, called without the pool's lock. A thread that runs a task
** calls it all the while, because the manager thread, whose job it is, may itself be in a callback
** that runs the task. */
int tine__here_open(struct site **out, const struct boot *boot, struct wakeup *manager,
                    struct site_bells *bells, const struct settings *defaults,
                    const struct inner_chore *timers);

#endif
