/* What tasks print that is to be written elsewhere, as it comes (OUTPUT_RELAY).
**
** It is told in the order in which it came, and before the end of its task. Who is told says how much of it was written;
** while too much was not, nobody reads the pipes of that call, and its tasks wait as for any slow reader. What is
** in a pipe when its task has ended is told nevertheless.
*/
#include <string.h>
#include "base/sys.h"
#include "site/local/internal.h"

#define MOST_UNWRITTEN ((uint64_t)256 << 10) /* bytes of a call */

struct relayed {
    struct list node; /* in local->relays */
    struct report report;
    char bytes[];
};

void tine__local_relay(struct local *l, const struct report *where, int to, const char *bytes,
                       size_t n) {
    struct relayed *told = sys.malloc(sizeof *told + n);
    if (!told)
        return; /* as when it cannot be written */
    told->report = *where;
    told->report.kind = REPORT_PRINTED;
    told->report.number = (uint64_t)to;
    told->report.bytes = told->bytes;
    told->report.length = n;
    memcpy(told->bytes, bytes, n);
    list_push(&l->relays, &told->node);
    l->handed[where->ref].unwritten += n;
}

bool tine__local_is_full(const struct local *l, uint32_t ref) {
    return l->handed[ref].unwritten >= MOST_UNWRITTEN;
}

bool tine__local_tell_relayed(struct local *l, struct report *r) {
    free(l->relayed);
    l->relayed = NULL;
    if (list_empty(&l->relays))
        return false;
    l->relayed = LIST_ITEM(list_pop(&l->relays), struct relayed, node);
    *r = l->relayed->report;
    return true;
}

void tine__local_close_relays(struct local *l) {
    struct report r;
    while (tine__local_tell_relayed(l, &r))
        ;
}
