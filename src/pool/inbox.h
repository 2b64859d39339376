/* Inbox: where the owner of tasks hears of their ends. Each owner has one in each pool that it uses: a
** Lua state, the C library, a server that runs tasks for others. News of an item go to its own inbox and
** nowhere else, so several owners share a pool without knowing of each other.
**
** The memory is the owner's. It is open from tine__inbox_open to tine__inbox_close; no item may be
** unreleased at its close. Any thread may call its functions, which take the pool's lock for a moment.
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
    /* the owner's, set before it is opened */
    /* Called by the manager thread, with no lock held, when there are news that nobody has taken, unless
    ** there is a fileno; and a last time when the pool has ended. NULL: they wait. */
    void (*on_news)(struct inbox *inbox);
    void *owner;
    /* Set when exits, faults, room or the end of the pool are to be looked for; or NULL. */
    atomic_bool *stirred;
    bool wants_exits; /* it is to be told of the ends of workers */
    /* under the pool's lock */
    struct list node;         /* in pool->inboxes */
    struct list news;         /* items */
    struct list exits;        /* of workers: struct exit_note (exits.c) */
    struct list faults;       /* of errands in later workers (errands.c) */
    atomic_bool has_faults;   /* no lock needed to look */
    atomic_bool has_exits;    /* no lock needed to look */
    struct list followers;    /* items (by `following`) that follow others, until these end */
    atomic_bool has_news;     /* it is to be taken from: no lock needed to look */
    uint64_t open;            /* items that are not released */
    uint64_t watched;         /* of them those that are watched, and not DONE */
    int fd;                   /* of tine__inbox_fileno, or -1 */
    bool fresh;               /* news since its waiters were last woken */
    bool refused;             /* a submit was, for max_pending: it is reminded when there is room */
    bool urgent;              /* of those, some that the manager must hear of: on_news */
    struct root_watch *watch; /* closes `fd` in forked children */
};

void tine__inbox_open(struct inbox *in, struct pool *p);
/* Takes its descriptor along. Harmless when it was never opened. */
void tine__inbox_close(struct inbox *in);

/* True when tine__inbox_take has something. One load. */
static inline bool inbox_has_news(const struct inbox *in) {
    return atomic_load_explicit(&in->has_news, memory_order_acquire);
}
/* Take at most `max` items with news: tasks of them have ended since it was last taken. An item whose
** tasks have all ended is thereby released, and its `news` is the owner's. Their number; 0: none. */
unsigned tine__inbox_take(struct inbox *in, struct item **out, unsigned max);
/* The next worker that has ended; false: there is none, which costs a load. */
bool tine__inbox_next_exit(struct inbox *in, struct worker_exit *out);
/* The next error of an errand in a worker that nobody waited for: its number, and the outcome, to be freed. As above.
** *item (unless NULL): from another machine, of whose pool the errand is; NULL: of this one. Those of an item are there
** when it is released. */
struct outcome;
bool tine__inbox_next_fault(struct inbox *in, uint64_t *number, struct item **item,
                            struct outcome *error);
/* The owner has put off something that it took: as if there were news, until it is taken from again. */
void tine__inbox_remind(struct inbox *in);

/* A descriptor that is readable while tine__inbox_take may have something (level: emptied by it), and
** for good when the pool has ended. Made at the first call. TINE_ESYSTEM, TINE_ENOMEM, TINE_EFORKED,
** TINE_ESHUTDOWN: the pool was joined. */
int tine__inbox_fileno(struct inbox *in);
/* Close it, when the pool has ended: the inbox is good for what is still in it. */
void tine__inbox_close_fd(struct inbox *in);

#endif
