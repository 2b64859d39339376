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

#define YIELD_COPIES 4u /* bytes of a large message that a process copies in a ns, at the least */
#define YIELD_LONGER 250000u /* ns: so much longer at most */

/* For how long to yield, ns, where `spin` is enough while messages are small: before there are news of a large one the peer
** copies it, which takes longer than a wake-up would. */
static inline uint64_t yield_span(uint64_t spin, uint64_t bytes) {
    uint64_t more = bytes / YIELD_COPIES;
    if (more > YIELD_LONGER)
        more = YIELD_LONGER;
    return spin > 0 && spin < UINT64_MAX - more ? spin + more : spin;
}

/* Begin to yield for at most `longest` ns. False: do not. */
bool tine__yield_begin(struct yield *y, uint64_t longest);
/* Yield once. False: that is enough. Whoever waits looks for news first, whatever this says. */
bool tine__yield(struct yield *y);
/* After the last one there were news, `much` or not. */
void tine__yield_news(const struct yield *y, bool much);

#endif
