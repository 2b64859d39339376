/* Yield: waiting for some microseconds without sleeping.
**
** Waking a sleeping process costs more than a small task. So a process that waits for its peer
** yields the processor again and again for a while, looking in between. That gives way to the peer
** and to any other process with work.
**
** But once another program's busy loop has the processor it keeps it for a time slice of some
** milliseconds, whereas a sleeper that is woken preempts it. So if what was waited for came that
** late several times in a row, nobody in this process yields for half a second, but sleeps at once.
** Not if much came meanwhile: then the peer has made use of the slice.
*/
#ifndef TINE_BASE_YIELD_H
#define TINE_BASE_YIELD_H

#include <stdbool.h>
#include <stdint.h>

struct yield {
    uint64_t now, end; /* ns */
    bool slow;         /* the last yield took a time slice */
};

#define YIELD_COPIES 4u      /* bytes of a large message that a process copies per ns, at least */
#define YIELD_LONGER 250000u /* ns: the longest extension */

/* How long to yield, in ns, where `spin` is enough for small messages. The peer copies a large
** message before it rings, which takes longer than a wake-up would. */
static inline uint64_t yield_span(uint64_t spin, uint64_t bytes) {
    uint64_t more = bytes / YIELD_COPIES;
    if (more > YIELD_LONGER)
        more = YIELD_LONGER;
    return spin > 0 && spin < UINT64_MAX - more ? spin + more : spin;
}

/* Begin to yield, for at most `longest` ns. False: do not yield. */
bool tine__yield_begin(struct yield *y, uint64_t longest);
/* Yield once. False: stop yielding. The caller looks for news first in either case. */
bool tine__yield(struct yield *y);
/* There was news after the last yield, much of it or not. */
void tine__yield_news(const struct yield *y, bool much);

#endif
