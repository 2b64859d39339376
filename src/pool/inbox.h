/* Inbox: where an owner of tasks learns that they have ended. Each owner (a Lua state, the C
** library, a server that runs tasks for others) has one inbox in each pool that it uses. News of an
** item go only to the item's inbox, so several owners share a pool without knowing of each other.
**
** The memory is the owner's. An inbox is in use from tine__inbox_open to tine__inbox_close; when it
** is closed, all its items must have been released. The functions take the pool's lock for a moment
** and may be called by any thread without it.
*/
#ifndef TINE_POOL_INBOX_H
#define TINE_POOL_INBOX_H

#include "msg/parting.h"
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "base/list.h"

struct pool;
struct item;
struct root_watch;

struct inbox {
    struct pool *pool;
    /* set by the owner before the inbox is opened */
    /* Called by the manager thread, with no lock held, when there is news that nobody has taken,
    ** unless the inbox has a descriptor (tine__inbox_fileno); and a last time when the pool has
    ** ended. NULL: news wait until they are taken. */
    void (*on_news)(struct inbox *inbox);
    void *owner;
    /* Set to true when there is news that is no item: exits, faults, room, the end of the pool. Or
    ** NULL. */
    atomic_bool *stirred;
    bool wants_exits; /* collect the ends of workers in `exits` */
    /* under the pool's lock */
    struct list node;       /* in pool->inboxes */
    struct list news;       /* items with news, by item.news */
    struct list exits;      /* ends of workers: struct exit_note (exits.c) */
    struct list faults;     /* errors of errands in later workers (errands.c) */
    atomic_bool has_faults; /* may be read without the lock */
    atomic_bool has_exits;  /* may be read without the lock */
    /* Items that follow unfinished items of others, by item_rare.following. */
    struct list followers;
    atomic_bool has_news; /* tine__inbox_take has something; may be read without the lock */
    uint64_t open;        /* number of items that are not released */
    uint64_t watched;     /* number of items that are watched and not DONE */
    int fd;               /* descriptor of tine__inbox_fileno, or -1 */
    bool held;            /* tine__inbox_hold */
    bool fresh;           /* has got news since its waiters were last woken */
    /* A submit was refused for max_pending: the inbox gets news when there is room. */
    bool refused;
    bool urgent;              /* some fresh news is for the manager, which calls on_news */
    struct root_watch *watch; /* closes `fd` in forked children */
};

void tine__inbox_open(struct inbox *in, struct pool *p);
/* Close the inbox and its descriptor. Does nothing if it was never opened. */
void tine__inbox_close(struct inbox *in);

/* Does tine__inbox_take have something? One load. */
static inline bool inbox_has_news(const struct inbox *in) {
    return atomic_load_explicit(&in->has_news, memory_order_acquire);
}
/* Take at most `max` items with news, that is of which tasks have ended since they were last taken.
** An item whose tasks have all ended is released by this, and its `news` node is the owner's.
** Returns their number. */
unsigned tine__inbox_take(struct inbox *in, struct item **out, unsigned max);
/* Take the next end of a worker. False: there is none, which costs one load. */
bool tine__inbox_next_exit(struct inbox *in, struct worker_exit *out);
/* Take the next error of an errand in a worker that nobody waits for: the errand's number, and the
** outcome, which the caller frees. *item (unless NULL) is the item from another machine for whose
** pool the errand was run, or NULL if the errand is of this pool. When an item is released, all its
** faults are there. False: as above. */
struct outcome;
bool tine__inbox_next_fault(struct inbox *in, uint64_t *number, struct item **item,
                            struct outcome *error);
/* Give the inbox news again, because its owner has put off something that it took. */
void tine__inbox_remind(struct inbox *in);

/* A descriptor that is readable while tine__inbox_take may have something (level-triggered; taking
** everything clears it), while the owner holds it, and permanently when the pool has ended. Made by
** the first call; the inbox owns it. TINE_ESYSTEM, TINE_ENOMEM, TINE_EFORKED; TINE_ESHUTDOWN: the
** pool was joined. */
int tine__inbox_fileno(struct inbox *in);
/* Keep the descriptor readable, because of something that was taken (true), or no longer (false).
** No thread is woken that waits for the inbox. */
void tine__inbox_hold(struct inbox *in, bool held);
/* Close the descriptor of an ended pool's inbox. What is in the inbox can still be taken. */
void tine__inbox_close_fd(struct inbox *in);

#endif
