/* Followers: several owners for the end of one task.
**
** An item that follows another item of the same pool ends with it, with the same outcome, in an
** inbox of its own. The scheduler knows only the leader. Their links are guarded by the pool's lock
** and removed when the leader's task ends, so neither needs to outlive the other.
*/
#include "base/error.h"
#include "pool/internal.h"

/* End the follower, which is in no leader's list any more. */
static void let_go(struct item *follower) {
    item_rare(follower)->leader = NULL;
    follower->task.state = TASK_DONE;
    list_remove(&item_rare(follower)->following);
    tine__inbox_post(follower->inbox, follower);
}

void tine__followers_end(struct item *item) {
    struct item_rare *rare = item_rare(item);
    const struct task_times times = item_times(item);
    while (rare && rare->followers) {
        struct item *follower = rare->followers;
        rare->followers = item_rare(follower)->next_follower;
        item_set_times(follower, &times);
        follower->task.place = item->task.place;
        item_rare(follower)->printed = tine__printed_ref(rare->printed);
        tine__outcome_share(follower->outcomes, item->outcomes);
        let_go(follower);
        tine__needs_meet(follower->inbox->pool, follower);
    }
}

static void prepare(struct item *follower) {
    follower->task = (struct task){.state = TASK_NEW, .call.count = 1};
    task_make(&follower->task);
    follower->needs = NULL;
    follower->asking = follower->asked = false;
    follower->started = follower->ended = 0;
    follower->released = follower->watched = false;
}

static int follow(struct pool *p, struct item *follower, struct item *leader) {
    leader = item_leader(leader);
    struct item_rare *rare = tine__item_need_rare(follower);
    struct item_rare *its = tine__item_need_rare(leader);
    if (!rare || !its)
        return TINE_ENOMEM;
    rare->leader = leader;
    rare->next_follower = its->followers;
    its->followers = follower;
    tine__events_follow(p, follower, leader);
    list_push(&follower->inbox->followers, &rare->following);
    follower->inbox->open++;
    if (outcome_settled(leader->outcomes))
        tine__followers_end(leader);
    tine__wake_waiters(p, false);
    return 0;
}

int tine__item_follow(struct pool *p, struct item *follower, struct item *leader) {
    if (tine__pool_is_forked(p))
        return TINE_EFORKED;
    prepare(follower);
    pthread_mutex_lock(&p->lock);
    int err = follow(p, follower, leader);
    pthread_mutex_unlock(&p->lock);
    return err;
}

/* Remove the follower from its leader's list. */
static void leave(struct item *follower) {
    struct item **at = &item_rare(item_rare(follower)->leader)->followers;
    while (*at != follower)
        at = &item_rare(*at)->next_follower;
    *at = item_rare(follower)->next_follower;
}

/* Cancel what waits for the follower's result as an argument. */
static void forsake(struct pool *p, struct item *follower) {
    const struct list *dependents = &item_rare(follower)->dependents;
    for (const struct list *n = dependents->next; n != dependents; n = n->next)
        tine__sched_cancel(&p->s, &LIST_ITEM(n, struct need, node)->item->task);
}

void tine__followers_forsake(struct inbox *in) {
    for (struct list *n = in->followers.next; n != &in->followers; n = n->next)
        forsake(in->pool, LIST_ITEM(n, struct item_rare, following)->item);
}

void tine__followers_leave(struct inbox *in) {
    while (!list_empty(&in->followers)) {
        struct item *follower = LIST_ITEM(in->followers.next, struct item_rare, following)->item;
        leave(follower);
        let_go(follower);
    }
}
