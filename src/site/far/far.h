/* The far site: workers on other machines, behind job servers (gearman/message.h says what is spoken).
**
** To the scheduler it has one worker, which is there as long as the pool is and takes many calls at once. What it does by
** itself, and the scheduler not: how many calls are under way (`window`), and limits of running tasks, which each host
** keeps. A call that no host has begun can be taken back at once: the host will ask, and be refused.
**
** Its descriptors are served by whoever is in the pool, most of the time its manager; nothing here waits.
*/
#ifndef TINE_SITE_FAR_FAR_H
#define TINE_SITE_FAR_FAR_H

#include "gearman/address.h"
#include "gearman/seal.h"
#include "ipc/wakeup.h"
#include "site/site.h"

#define FAR_SLOTS 16384                  /* calls that may be under way, at most */
#define FAR_CONNECT_TIMEOUT 10000000000u /* ns: what users get who say nothing */
#define FAR_LOST_AFTER 15000000000u

struct far_options {
    struct gm_addresses servers;
    struct seal_keys keys;
    unsigned window;          /* 0: twice as many as hosts have workers */
    uint64_t connect_timeout; /* ns: without a host for so long, what waits is lost */
    uint64_t lost_after;      /* ns: who says nothing for so long is lost */
    bool confirm;             /* hosts ask before they begin */
};

/* Who serves the pool. */
struct far_host {
    char name[128];
    unsigned slots, running;
    uint64_t tasks; /* that have ended there */
};

/* A worker of one of these hosts. */
struct far_worker {
    const char *host; /* its name, kept for good */
    uint32_t worker;  /* as its host counts */
    int pid;          /* 0: not known */
    uint64_t memory;  /* resident bytes, as was heard last; 0: not known */
    uint64_t met;     /* when it was heard of first */
    uint64_t task;    /* that it runs for us, 0: none is known */
    uint64_t since;   /* when it was heard that it has begun that */
};

/* As tine__here_open. Does not wait for a server. */
int tine__far_open(struct site **out, const struct far_options *o, uint64_t event_buffer,
                   struct wakeup *manager, struct site_bells *bells);
/* So many workers all hosts have, as far as they are known. */
unsigned tine__far_slots(const struct site *s);
/* The hosts, as far as they are known: fills in at most `most`, gives their number. */
unsigned tine__far_hosts(struct site *s, struct far_host *out, unsigned most);
/* Their workers, as far as they are known: the same. */
unsigned tine__far_all_workers(const struct site *s, struct far_worker *out, unsigned most);

#endif
