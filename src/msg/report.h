/* Report: what a site says to the pool, one at a time, when it is asked for the next.
**
** Plain data. Everything in it that came from a worker has been checked by the site as far as the
** site can: that the worker exists, that the call with this number is there and was taken by this
** worker, that bytes lie where they are said to. What it means is the scheduler's business.
*/
#ifndef TINE_MSG_REPORT_H
#define TINE_MSG_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_kind {
    REPORT_NONE,
    /* results: of task `id` of call `ref` */
    REPORT_VALUES,  /* bytes: a result segment with the values */
    REPORT_ERROR,   /* bytes: a result segment [error value, traceback] */
    REPORT_REFUSED, /* bytes: text; the call or its result cannot travel */
    REPORT_MEMORY,  /* bytes: struct report_memory: it had not enough */
    REPORT_ENDED,   /* bytes: text, the traceback of the place where it was; it was asked to end */
    /* ... of a worker elsewhere, that kept its limits there */
    REPORT_TIMEOUT, /* bytes as of REPORT_ENDED: its run-time limit */
    REPORT_CPU,     /* the same: its limit of processor time */
    REPORT_CRASHED, /* its worker has died: bytes, struct report_crash */
    REPORT_AWAY,    /* it was lost with where it ran: bytes, text, why; `host` or `server` */
    /* of a task that goes on */
    REPORT_EVENT, /* task `id` of call `ref` has emitted it, the `number`th of its worker; bytes: a result segment */
    REPORT_PRINTED, /* the same, or it is about to end: it has printed the bytes; `number`: to which stream, 1 or 2; 0: it
                   ** begins to, and the bytes are its label */
    /* of a worker */
    REPORT_SUBMIT, /* task `id` of call `ref` has submitted one (msg/nested.h): bytes; */
    REPORT_AWAIT,  /* it waits for some of those, or no more: bytes, */
    REPORT_CANCEL, /* it wants one of those not to begin: bytes */
    REPORT_PROGRESS, /* task `id` of call `ref` is about to end, or was lost: bytes, the struct progress it said last */
    REPORT_OUTPUT, /* the same: bytes, what it has printed, of a task that is captured */
    REPORT_RAN, /* it has run errand `id`; bytes: as REPORT_ERROR, if that has failed there, else none */
    REPORT_FAULT, /* the same, of one that has failed where nobody waits for it; of a worker of this machine, `id` is one of
                    ** the pool that call `ref` came from */
    REPORT_READY, /* it has reached its task loop; `id`, or `pid`: its process */
    REPORT_STOPPED,     /* call `ref` was left: tasks from `id` on never ran there */
    REPORT_INITIALIZER, /* its initializer failed; bytes: as REPORT_ERROR */
    REPORT_IDLE,        /* it has had nothing to do for as long as it is to stay */
    REPORT_LEAVING, /* it has run its last task and ends in good order; `id`: enum parting, why */
    REPORT_RUBBISH, /* what it says makes no sense: nothing more is read from it */
    REPORT_STARTED, /* its process: `pid` */
    REPORT_NOT_STARTED, /* `error`, an errno: no process to be had */
    REPORT_LOST, /* it has ended, and call `ref` was with it: tasks from `id` on had not begun; those before
                   ** have, also if what they have answered is lost. REPORT_EXITED follows at once */
    REPORT_EXITED, /* it has ended: `pid`, `status`; its results and losses were reported before */
    /* of the site */
    REPORT_DESERTED, /* nobody has been there for long who could run anything: bytes, text */
    REPORT_ROOM,     /* what was refused with TINE_EAGAIN may be tried again */
    REPORT_FAILED, /* no worker can ever be started: `error`, bytes: text; or `error` 0, bytes: the preload's error */
    REPORT_GONE /* it has ended; nothing comes any more. Unasked: `pid`, `status`, bytes: text, in which step; or
                   ** `error` EBADF: the program has taken its descriptors away */
};

/* The limit that a task had, and what it had when it was refused more. */
struct report_memory {
    uint64_t limit, used;
};

/* The end of a worker that another pool has. */
struct report_crash {
    uint32_t worker;
    int32_t pid;
    int32_t has_status, status; /* as waitpid gives it */
    int32_t spoilt, error;
};

struct carried;

struct report {
    enum report_kind kind;
    unsigned worker;
    uint32_t ref;
    uint64_t id;
    uint64_t number;         /* of an event, from 0: how many its worker has written before */
    uint64_t spent;          /* of an end: what it had spent of the processor (ns) */
    uint64_t started, ended; /* of a result, or what was lost: when; READY: `ended`; 0: unknown */
    int pid;
    /* Of a result from another machine: the worker there that had it, and `pid`; 0: unknown. */
    uint32_t there;
    int status;  /* as waitpid gives it */
    bool spoilt; /* of an end: a task has closed or replaced the worker's descriptors */
    int unfit;   /* of an end: an errno, why it could not be a worker at all; or 0 */
    int error; /* an errno; of an end: it, or what it started, could not be ended; of a result: it is there, but its bytes cannot be had */
    /* The bytes are the site's, and good until it is asked for the next report. Large ones can be
    ** kept instead of copied (site_ops.keep). */
    const char *bytes;
    size_t length;
    /* Regions that the bytes name, to be held by who keeps them, or NULL (ipc/arena.h). */
    struct carried *carried;
    bool large;
    void *lane;
    uint64_t offset;
    const char *host, *server; /* of a result, where it was; NULL: here. The host's is kept for good
                               ** (base/text.h) */
};

/* Is it said by a task of what it has submitted? */
static inline bool report_is_nested(const struct report *r) {
    return r->kind >= REPORT_SUBMIT && r->kind <= REPORT_CANCEL;
}

/* Is it about a task's end? */
static inline bool report_is_result(const struct report *r) {
    return r->kind >= REPORT_VALUES && r->kind <= REPORT_AWAY;
}

#endif
