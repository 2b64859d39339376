/* The far site: what every worker has to run once, the initializer and calls of pool:everywhere.
** Each host is told of each errand once, when it asks for a task; before the task its worker runs
** those it has not run yet (worker/task/crew.h).
*/
#include <string.h>
#include "sched/errand.h"
#include "site/far/internal.h"

void tine__far_spread(struct far *f, struct errand *e) {
    e->next = NULL;
    if (f->errands)
        f->last_errand->next = e;
    else
        f->errands = e;
    f->last_errand = e;
    f->nerrands++;
}

/* The message about an errand, which names these ids. 0 or TINE_ENOMEM. */
static int describe(const struct errand *e, uint64_t number, const struct buf *ids,
                    struct buf *out) {
    const struct gm_errand head = {.number = number,
                                   .initializes = e->number == 0,
                                   .names = ids->len / sizeof(uint64_t),
                                   .function = e->head->function};
    int err = buf_append(out, &head, sizeof head);
    if (!err && ids->len > 0)
        err = buf_append(out, ids->data, ids->len);
    return err ? err : buf_append(out, e->head + 1, e->place.length - sizeof *e->head);
}

/* The functions that it names are sent before it. */
static void tell(struct far_line *l, const struct errand *e) {
    struct store_reach names;
    struct buf ids, b;
    tine__buf_init(&ids);
    tine__buf_init(&b);
    if (tine__store_reach(e->refs, &names) == 0 && tine__far_ids(&names, &ids) == 0 &&
        describe(e, l->errands + 1, &ids, &b) == 0) {
        for (size_t i = 0; i < names.n; i++)
            tine__far_code(l, names.list[i]);
        tine__far_order(l, SAY_ERRAND, NULL, b.data, b.len);
    }
    tine__store_reach_free(&names);
    tine__buf_free(&ids);
    tine__buf_free(&b);
    l->errand = e;
    l->errands++;
}

void tine__far_tell_errands(struct far *f, struct far_line *l) {
    const struct errand *e;
    while ((e = l->errand ? l->errand->next : f->errands) != NULL)
        tell(l, e);
}

void tine__far_forget_errands(struct far_line *l) {
    l->errand = NULL;
    l->errands = 0;
}

/* Find an errand by the number that hosts know it by. */
static const struct errand *find(const struct far *f, uint64_t number) {
    const struct errand *e = f->errands;
    while (e && number > 1) {
        e = e->next;
        number--;
    }
    return number > 0 ? e : NULL;
}

bool tine__far_fault(const struct far *f, struct report *r) {
    struct gm_reader rest = {r->bytes, r->length};
    uint64_t number;
    const struct errand *e = tine__gm_copy(&rest, &number, sizeof number) ? find(f, number) : NULL;
    if (!e || rest.n == 0)
        return false;
    r->bytes = rest.p;
    r->length = rest.n;
    r->id = e->number;
    if (e->number == 0)
        r->kind = REPORT_INITIALIZER;
    return true;
}
