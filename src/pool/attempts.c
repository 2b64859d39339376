#include "pool/attempts.h"
#include "base/hot.h"

#include <string.h>
#include "base/sys.h"
#include "pool/internal.h"

void tine__attempts_free(struct attempts *a) {
    tine__attempts_free_locked(NULL, a);
}

void tine__attempts_free_locked(struct pool *p, struct attempts *a) {
    for (uint32_t i = 0; a && i < a->n; i++)
        if (outcome_owns(&a->list[i].error))
            tine__outcome_free_locked(p, &a->list[i].error);
    free(a);
}

struct attempts *tine__attempts_copy(const struct attempts *a) {
    struct attempts *copy = a ? sys.malloc(sizeof *a + a->n * sizeof a->list[0]) : NULL;
    if (!copy)
        return NULL;
    copy->n = copy->room = a->n;
    for (uint32_t i = 0; i < a->n; i++) {
        copy->list[i] = (struct attempt){.times = a->list[i].times};
        tine__outcome_share(&copy->list[i].error, &a->list[i].error);
    }
    return copy;
}

static struct attempts *with_room(struct attempts *a) {
    uint32_t room = a ? 2 * a->room : 2;
    if (a && a->n < a->room)
        return a;
    struct attempts *larger = sys.realloc(a, sizeof *a + room * sizeof a->list[0]);
    if (!larger)
        return NULL;
    larger->room = room;
    if (!a)
        larger->n = 0;
    return larger;
}

struct attempt *tine__attempt_add(struct item *item) {
    struct item_rare *rare = tine__item_need_rare(item);
    struct attempts *a = rare ? with_room(rare->attempts) : NULL;
    if (!a)
        return NULL;
    rare->attempts = a;
    struct attempt *last = &a->list[a->n++];
    *last = (struct attempt){.times = item_times(item), .place = item->task.place};
    return last;
}

HOT void tine__attempt_times(struct item *item, uint64_t started, uint64_t ended) {
    uint64_t now = ended && ended >= started ? ended : tine__now();
    item->started = started >= item->task.since && started <= now ? started : 0;
    item->ended = now;
}
