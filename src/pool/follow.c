/* Followers: several owners of one task's end.
**
** An item that follows another one of the same pool is settled with it, with the same outcome, in an inbox of
** its own. The scheduler knows only the leader. What the two know of each other is guarded by the pool's lock
** and ends with the leader's task: neither need outlive the other.
*/
#include "base/error.h"
#include "pool/internal.h"

/* It follows no more. */
static void let_go(struct item *follower) {
    follower->leader = NULL;
    follower->task.state = TASK_DONE;
    list_remove(&follower->following);
    tine__inbox_post(follower->inbox, follower);
}

void tine__followers_end(struct item *item) {
    while (item->followers) {
        struct item *follower = item->followers;
        item->followers = follower->next_follower;
        follower->times = item->times;
        follower->printed = tine__printed_ref(item->printed);
        tine__outcome_share(follower->outcomes, item->outcomes);
        let_go(follower);
        tine__needs_meet(follower->inbox->pool, follower);
    }
}

int tine__item_follow(struct pool *p, struct item *follower, struct item *leader) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    follower->task = (struct task){.state = TASK_NEW, .call.count = 1};
    follower->followers = NULL;
    follower->attempts = NULL;
    follower->events = NULL;
    follower->printed = NULL;
    follower->needs = NULL;
    list_init(&follower->dependents);
    follower->asking = follower->asked = false;
    follower->times = (struct task_times){0};
    list_init(&follower->news);
    follower->listed = follower->released = follower->watched = false;
    pthread_mutex_lock(&p->lock);
    if (leader->leader)
        leader = leader->leader;
    follower->leader = leader;
    follower->next_follower = leader->followers;
    leader->followers = follower;
    tine__events_follow(p, follower, leader);
    list_push(&follower->inbox->followers, &follower->following);
    follower->inbox->open++;
    if (outcome_settled(leader->outcomes))
        tine__followers_end(leader);
    tine__wake_waiters(p, false);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

/* Take it out of its leader's list. */
static void leave(struct item *follower) {
    struct item **at = &follower->leader->followers;
    while (*at != follower)
        at = &(*at)->next_follower;
    *at = follower->next_follower;
}

void tine__inbox_unfollow(struct inbox *in) {
    struct pool *p = in->pool;
    if (!p || tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    while (!list_empty(&in->followers)) {
        struct item *follower = LIST_ITEM(in->followers.next, struct item, following);
        leave(follower);
        let_go(follower);
    }
    tine__wake_waiters(p, false);
    pthread_mutex_unlock(&p->lock);
}
