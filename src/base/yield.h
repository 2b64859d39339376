/* Yield: waiting for some microseconds without sleeping.
**
** Waking a sleeping process costs more than a small task, so who waits for its peer yields the processor again
** and again for a while, looking in between. That gives way to the peer and to whoever else has work.
**
** But another program's busy loop, once it has the processor, keeps it for a slice of some milliseconds, while a
** sleeper that is woken goes before it. So who regrets that yields took so long, twice within a short time, does
** not yield for half a second, but sleeps at once. No reason for regret is a slice that the peer has made
** use of: then much has come meanwhile.
*/
#ifndef TINE_BASE_YIELD_H
#define TINE_BASE_YIELD_H

#include <stdbool.h>
#include <stdint.h>

struct yield {
    uint64_t now, end; /* ns */
    bool slow;         /* the last one took a slice */
};

/* Begin to yield for at most `longest` ns. False: do not. */
bool tine__yield_begin(struct yield *y, uint64_t longest);
/* Yield once. False: that is enough. Whoever waits looks for news first, whatever this says. */
bool tine__yield(struct yield *y);
/* What had come after a slow one was little. */
void tine__yield_regret(const struct yield *y);

#endif
