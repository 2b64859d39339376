/* The pool's inside: what its files share. Everything below is guarded by `lock` unless it says
** otherwise. */
#ifndef TINE_POOL_INTERNAL_H
#define TINE_POOL_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include "backend/backend.h"
#include "base/list.h"
#include "ipc/wakeup.h"
#include "pool/outcome.h"
#include "pool/pool.h"

enum pool_state { POOL_OPEN, POOL_CLOSING, POOL_BROKEN, POOL_KILLED };

enum worker_state { WORKER_NONE, WORKER_STARTING, WORKER_READY, WORKER_LEAVING };

struct worker {
    uint8_t state;  /* enum worker_state */
    bool doomed;    /* its task was ended by force: it is being killed */
    bool rubbish;   /* what it said made no sense: its other answers are lost too */
    bool spoilt;    /* a task has closed or replaced its descriptors: it ends itself */
    bool unkilled;  /* the message that kills it could not be sent yet */
    int pid;        /* 0: not known yet */
    uint64_t tasks; /* answered */
};

/* A thread inside tine__wait, as one pool sees it. */
struct wait_entry {
    struct list node; /* in pool->waiters; the first one leads: it polls the bell */
    struct pool *pool;
    int fd; /* wakes it when it does not lead */
};

/* Origins that items point to: each is kept once, and lives as long as the pool. */
#define ORIGIN_BUCKETS 256
struct origin_node {
    struct codec_origin origin; /* first member */
    struct origin_node *next;
};

struct pool {
    atomic_uint refs;
    unsigned generation; /* of the process that opened it (worker/root.h) */
    pthread_mutex_t lock;
    struct backend *backend;
    struct backend_bells bells;

    enum pool_state state;
    struct failure *reason; /* of BROKEN and KILLED */
    bool shut;              /* workers were told that nothing comes any more */
    bool ending;            /* the backend was told to end */
    uint64_t kill_at;       /* KILLED: what is left then is ended by force (ns) */
    bool gone;              /* it has ended */
    atomic_bool ended;      /* and so has the manager: no lock needed to look */

    struct list pending;  /* items without room in the call queue, in order */
    struct list done;     /* items with news for their owner */
    atomic_bool has_done; /* `done` is not empty: no lock needed to look */
    struct item **queued; /* by ref: items in the call queue or with workers */
    uint32_t *free_refs;  /* a stack */
    uint32_t nfree, nrefs;
    uint64_t open_items;    /* not DONE */
    uint64_t watched_items; /* open ones whose owner wants to hear of the end at once */
    uint64_t timed_items;   /* of them with a run-time limit */
    uint64_t least_limit;   /* the shortest limit of those, ns */
    uint64_t next_id;
    uint64_t kept; /* outcomes whose bytes lie in the backend's memory */

    unsigned workers_max;
    unsigned live;          /* starting or ready, and not doomed */
    unsigned present;       /* not NONE */
    unsigned failed_starts; /* in a row: workers that died before they took up a task */
    struct worker *workers; /* [1 .. workers_max] */
    bool replace;
    size_t (*on_done)(struct pool *p);
    bool retry;                             /* something could not be sent: try again soon */
    uint64_t task_limit, max_pending, spin; /* ns, items, ns */

    struct {
        uint64_t submitted, finished, failed, cancelled, workers_started, workers_lost;
    } stats;

    struct list waiters; /* struct wait_entry: threads that sleep */
    unsigned waiting;    /* threads inside tine__wait: they take results in themselves */
    struct origin_node *origins[ORIGIN_BUCKETS];
    int notify; /* event of tine__pool_fileno, -1 */
    struct wakeup wakeup;
    pthread_t manager;
    atomic_bool joined;
};

#define SECOND 1000000000ull
#define MILLISECOND 1000000ull

/* death.c */
/* (lock held) Has the program closed or replaced a descriptor of the pool's? Then it is broken, and gone. */
bool tine__pool_lost(struct pool *p);

/* submit.c */
/* Put pending items into the call queue while there is room; wakes workers. */
void tine__pool_refill(struct pool *p);
/* Have a worker started when there are more open items than workers. */
void tine__pool_start_on_demand(struct pool *p);
/* The item's tasks from `k` on go back to the head of the pending list (their worker has gone). */
void tine__pool_requeue(struct pool *p, struct item *item, uint32_t k);

/* Free what the item holds of its encoded call. */
void tine__pool_free_payload(struct pool *p, struct item *item);

/* settle.c */
void tine__pool_settle_bytes(struct pool *p, struct item *item, uint32_t k,
                             enum outcome_state state, int code, const char *bytes, size_t length);
void tine__pool_settle_failed(struct pool *p, struct item *item, uint32_t k, int code,
                              struct failure *f);
/* Settle all open tasks of the item. The number. */
uint32_t tine__pool_settle_rest(struct pool *p, struct item *item, uint32_t from, int code,
                                struct failure *f);
/* Take in all results, refill, wake whom it concerns. */
void tine__pool_collect(struct pool *p);
/* Take in what the backend has to say (deaths, and the last results of the dead), and what follows. */
void tine__pool_hear(struct pool *p, const struct backend_sink *sink);
void tine__pool_result_sink(struct pool *p, struct backend_sink *sink);
/* The item is no longer in the call queue: its ref is free. */
void tine__pool_unqueue(struct pool *p, struct item *item);
struct item *tine__pool_find(struct pool *p, uint64_t id); /* the queued item that has this task */
struct item *tine__pool_find_seq(struct pool *p, uint64_t seq);
/* Something a waiting thread may want to see has happened. */
void tine__pool_notify(struct pool *p);

/* death.c */
/* The pool is broken: takes over `f`. */
void tine__pool_break(struct pool *p, struct failure *f);
/* Every open task fails with the reason. */
void tine__pool_fail_all(struct pool *p);
/* Have the worker killed that runs this task, which was settled by force. */
void tine__pool_doom(struct pool *p, unsigned worker);
void tine__pool_death_sink(struct pool *p, struct backend_sink *sink);

/* cancel.c */
/* Has a worker taken it up? */
bool tine__item_is_taken(struct pool *p, struct item *item);
void tine__pool_cancel_all(struct pool *p);

/* limits.c */
/* End tasks that have run too long; when to look again (ns, UINT64_MAX: never). */
uint64_t tine__pool_check_limits(struct pool *p, uint64_t now);

/* manager.c */
/* What follows from where things stand: refill, start workers, the steps of the shutdown. */
void tine__pool_progress(struct pool *p);
int tine__manager_start(struct pool *p);

#endif
