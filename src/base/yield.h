/* Yield: waiting for some microseconds without sleeping.
**
** Waking a sleeping process costs more than a small task, so who waits for its peer yields the processor again
** and again for a while, looking in between. That gives way to the peer and to whoever else has work.
**
** But another program's busy loop, once it has the processor, keeps it for a slice of some milliseconds, while a
** sleeper that is woken goes before it. So when what came by yielding came so late some times in a row,
** nobody in this process yields for half a second, but sleeps at once. Not so when much came meanwhile:
** then the peer has made use of the slice.
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
/* After the last one there were news, `much` or not. */
void tine__yield_news(const struct yield *y, bool much);

#endif
