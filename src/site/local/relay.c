/* Output of tasks that is to be written elsewhere, reported as it comes (OUTPUT_RELAY).
**
** It is reported in the order in which it was read, and before the end of its task. The pool says
** how much of it was written; while too much was not, the pipes of that call are not read, and its
** tasks block as with any slow reader. What is in a pipe when its task has ended is reported all
** the same.
*/
#include <string.h>
#include "base/sys.h"
#include "site/local/internal.h"

#define MOST_UNWRITTEN ((uint64_t)256 << 10) /* bytes of one call */

struct relayed {
    struct list node; /* in local->relays */
    struct report report;
    char bytes[];
};

void tine__local_relay(struct local *l, const struct report *where, int to, const char *bytes,
                       size_t n) {
    struct relayed *told = sys.malloc(sizeof *told + n);
    if (!told)
        return; /* lost, as if it could not be written */
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
