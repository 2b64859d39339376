/* Report: what a site tells the pool, one report at a time, when it is asked for the next.
**
** Plain data. What came from a worker has been checked by the site as far as the site can: that the
** worker exists, that the call with this ref was handed over and taken by this worker, that bytes
** lie where they are said to lie. What a report means is the scheduler's business.
*/
#ifndef TINE_MSG_REPORT_H
#define TINE_MSG_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum report_kind {
    REPORT_NONE,
    /* results of task `id` of call `ref`: */
    REPORT_VALUES,  /* bytes: a result segment with the values */
    REPORT_ERROR,   /* bytes: a result segment [error value, traceback] */
    REPORT_REFUSED, /* bytes: text; the call or its result cannot be serialized */
    REPORT_MEMORY,  /* bytes: struct report_memory; the task hit its memory limit */
    REPORT_ENDED,   /* bytes: text, traceback of where it was; the task has ended as asked */
    /* results from another machine, which enforces limits itself: */
    REPORT_TIMEOUT, /* bytes as for REPORT_ENDED: run-time limit */
    REPORT_CPU,     /* bytes as for REPORT_ENDED: limit of processor time */
    REPORT_CRASHED, /* bytes: struct report_crash; its worker has died */
    REPORT_AWAY,    /* bytes: text, why; lost with the machine; `host` or `server` */
    /* from a task that goes on: */
    /* task `id` of call `ref` has emitted an event, the `number`th of its worker;
    ** bytes: a result segment */
    REPORT_EVENT,
    /* task `id` of call `ref` has printed the bytes to stream `number`, 1 or 2; 0: it begins to
    ** print, and the bytes are its label */
    REPORT_PRINTED,
    /* from a worker: */
    REPORT_SUBMIT, /* task `id` of call `ref` has submitted a task; bytes (msg/nested.h) */
    REPORT_AWAIT,  /* it waits for some of the tasks it submitted, or does not any more; bytes */
    REPORT_CANCEL, /* it wants one of the tasks it submitted not to begin; bytes */
    /* task `id` of call `ref` is about to end, or was lost; bytes: its last struct progress */
    REPORT_PROGRESS,
    REPORT_OUTPUT, /* likewise, of a captured task; bytes: what it has printed */
    REPORT_RAN,    /* errand `id` has run; bytes: none, or as REPORT_ERROR if it failed there */
    /* errand `id` has failed where nobody waits for it; from a worker of this machine: an errand of
    ** the remote pool that call `ref` came from */
    REPORT_FAULT,
    REPORT_READY,       /* the worker has reached its task loop; its process is `id` or `pid` */
    REPORT_STOPPED,     /* call `ref` was left: tasks from `id` on never ran there */
    REPORT_INITIALIZER, /* the worker's initializer failed; bytes: as REPORT_ERROR */
    REPORT_IDLE,        /* the worker has had nothing to do for idle_timeout */
    /* the worker has run its last task and ends in good order; `id`: enum parting */
    REPORT_LEAVING,
    REPORT_RUBBISH,     /* what the worker says makes no sense: nothing more is read from it */
    REPORT_STARTED,     /* the worker's process is `pid` */
    REPORT_NOT_STARTED, /* `error`, an errno: the worker's process could not be made */
    /* the worker has ended with call `ref`: tasks from `id` on had not begun; the tasks before had,
    ** even if their answers are lost. REPORT_EXITED follows */
    REPORT_LOST,
    /* the worker has ended: `pid`, `status`; its results and losses were reported before */
    REPORT_EXITED,
    /* of the site: */
    REPORT_DESERTED, /* for long there has been no worker; bytes: text */
    REPORT_ROOM,     /* orders refused with TINE_EAGAIN may be tried again */
    /* no worker can ever be started: `error`, bytes: text; or `error` 0, bytes: the preload's
    ** error */
    REPORT_FAILED,
    /* the site has ended, and nothing comes any more. Unasked: `pid`, `status`, bytes: text, in
    ** which step; or `error` EBADF: the program has closed its descriptors, ETIMEDOUT: what makes
    ** and kills its workers does not answer */
    REPORT_GONE
};

/* The memory limit of a task, and what it used when it was refused more. */
struct report_memory {
    uint64_t limit, used;
};

/* The end of a worker of another pool. */
struct report_crash {
    uint32_t worker;
    int32_t pid;
    int32_t has_status, status; /* as from waitpid */
    int32_t spoilt, error;
};

struct carried;

struct report {
    enum report_kind kind;
    unsigned worker;
    uint32_t ref;
    uint64_t id;
    uint64_t number;         /* EVENT: how many events its worker has written before */
    uint64_t spent;          /* EXITED: processor time that the worker used (ns) */
    uint64_t started, ended; /* results and losses: when (ns); READY: `ended`; 0: unknown */
    int pid;
    /* Results from another machine: the worker there (with `pid`); 0: unknown. */
    uint32_t there;
    int status;  /* as from waitpid */
    bool spoilt; /* EXITED: a task has closed or replaced the worker's descriptors */
    int unfit;   /* EXITED: errno, why it could not work at all; or 0 */
    /* errno. EXITED: the worker, or what it started, could not be ended. Results: there is one, but
    ** its bytes cannot be had */
    int error;
    /* The bytes are in the site's memory, valid until the next report is asked for. Large ones can
    ** be kept instead of copied (site_ops.keep). */
    const char *bytes;
    size_t length;
    /* Regions that the bytes name, for whoever keeps the bytes to hold; or NULL (ipc/arena.h). */
    struct carried *carried;
    bool large;
    void *lane;
    uint64_t offset;
    /* of a result: where it was made; NULL: here. The host's name is never freed (base/text.h) */
    const char *host, *server;
};

/* Is it from a task about the tasks it submitted? */
static inline bool report_is_nested(const struct report *r) {
    return r->kind >= REPORT_SUBMIT && r->kind <= REPORT_CANCEL;
}

/* Is it the end of a task? */
static inline bool report_is_result(const struct report *r) {
    return r->kind >= REPORT_VALUES && r->kind <= REPORT_AWAY;
}

#endif
