/* The far site: workers on other machines, behind job servers (gearman/message.h has the protocol).
**
** The scheduler sees one worker, which exists as long as the pool and takes many calls at once. The
** site itself decides how many calls are under way (`window`), and leaves the limits of running
** tasks to the hosts. A call that no host has begun can be taken back at once: the host will ask
** before it begins, and be refused.
**
** The descriptors are served by whichever thread drives the pool, mostly its manager; nothing here
** waits. All functions but tine__far_open are called under the pool's lock.
*/
#ifndef TINE_SITE_FAR_FAR_H
#define TINE_SITE_FAR_FAR_H

#include "gearman/address.h"
#include "gearman/seal.h"
#include "ipc/wakeup.h"
#include "site/site.h"

#define FAR_SLOTS 16384                  /* most calls under way */
#define FAR_CONNECT_TIMEOUT 10000000000u /* ns: the default */
#define FAR_LOST_AFTER 15000000000u

struct far_options {
    struct gm_addresses servers;
    struct seal_keys keys;
    unsigned window;          /* most calls under way; 0: twice the number of the hosts' workers */
    uint64_t connect_timeout; /* ns: if no host comes within this time, waiting tasks are lost */
    uint64_t lost_after;      /* ns: a host that is silent for so long is lost */
    bool confirm;             /* hosts ask before they begin a task */
};

/* A host that serves the pool. */
struct far_host {
    char name[128];
    unsigned slots, running;
    uint64_t tasks; /* tasks that have ended there */
};

/* A worker of such a host. */
struct far_worker {
    const char *host; /* its name, never freed */
    uint32_t worker;  /* its id at its host */
    int pid;          /* 0: unknown */
    uint64_t memory;  /* resident bytes when last heard; 0: unknown */
    uint64_t met;     /* when it was first heard of */
    uint64_t task;    /* the task of this pool that it runs; 0: none known */
    uint64_t since;   /* when it was heard that it began the task */
};

/* As tine__here_open. Does not wait for a server. */
int tine__far_open(struct site **out, const struct far_options *o, uint64_t event_buffer,
                   struct wakeup *manager, struct site_bells *bells);
/* The number of workers of all hosts, as far as known. */
unsigned tine__far_slots(const struct site *s);
/* List the hosts that are known: fills in at most `most`, returns how many. */
unsigned tine__far_hosts(struct site *s, struct far_host *out, unsigned most);
/* Likewise their workers. */
unsigned tine__far_all_workers(const struct site *s, struct far_worker *out, unsigned most);

#endif
