/* Futures of the C library for tasks that other owners have submitted to its pools. */
#include "api/api.h"

tine_future *tine__api_follow(struct tine_pool *pool, const char *label, struct item *leader,
                              const struct outcome *ended) {
    tine_task task = TINE_TASK_INIT;
    task.label = label;
    struct tine_future *f = tine__api_future(pool, &task);
    if (!f)
        return NULL;
    if (leader && tine__item_follow(pool->core, &f->item, leader) == 0)
        return f;
    if (!leader)
        tine__outcome_share(&f->outcome, ended);
    tine_future_free(f); /* no task holds it */
    if (!leader)
        return f;
    tine_future_free(f);
    return NULL;
}
