/* Message: what submitters and hosts (`tine serve`) send each other through a job server.
**
** A TASK is a job for the function of its set of hosts (tine__gm_function). Its unique id is
** random, and new each time that it is sent. A host that is assigned a task opens a LINE to the
** submitter, if it has none: a job for a function that only this submitter registers, and which the
** submitter keeps as long as it lives. So each side can send to the other at any time, by
** WORK_DATA: the submitter on the line, the host on the task; and each learns when the other goes.
** ANSWERS are what hosts send: a request for confirmation (ANSWER_ASK), that a task has begun,
** results; the last ones end the job. ORDERS are what submitters send: begin, do not begin, stop.
**
** All messages are sealed (seal.h), together with their kind, the job's unique id, and the number
** of the message: so a recorded, swapped or repeated message is never taken for another one.
**
** Both sides have the same build of Lua and the same byte order, since these are part of the
** function's name. Structs are sent as they are in memory; they have no padding.
*/
#ifndef TINE_GEARMAN_MESSAGE_H
#define TINE_GEARMAN_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "gearman/address.h"
#include "gearman/seal.h"
#include "msg/call.h"

#define GM_ID 16u
#define GM_UNIQUE 23u /* 22 characters that encode 16 bytes, and a NUL */
#define GM_FUNCTION 128u
#define GM_NAME 128u /* of a host, NUL included */

/* --- names --- */

/* A random id as text. False: no random bytes. */
bool tine__gm_unique(char out[GM_UNIQUE]);
/* The function that hosts of the set register, and that tasks are jobs for; includes all that must
** be the same on both sides. */
void tine__gm_function(const char *set, char out[GM_FUNCTION]);
/* The function that the submitter with this id registers for its line. */
void tine__gm_line_function(const char *id, char out[GM_FUNCTION]);

/* --- seals --- */

enum gm_kind { KIND_TASK = 'T', KIND_ANSWERS = 'A', KIND_LINE = 'L', KIND_ORDERS = 'O' };

struct gm_about {
    char bytes[GM_FUNCTION + GM_UNIQUE + 16];
    size_t n;
};

/* What a message is bound to by its seal. `function` may be "". */
struct seal_about tine__gm_about(struct gm_about *a, enum gm_kind kind, const char *function,
                                 const char *unique, uint64_t number);

/* --- a task --- */

struct gm_task {
    char peer[GM_UNIQUE]; /* id of the submitter */
    uint8_t confirm;
    /* A host that has not heard from the submitter for this long (ns) drops its tasks. */
    uint64_t lost_after;
    /* Its offset is 0; `callee` and names are ids of the submitter's store. */
    struct call_head head;
    uint64_t timeout, grace, cpu; /* ns, as in struct settings */
    uint64_t event_buffer;        /* events that each task may emit before it is granted more */
    int64_t priority;
    /* Errands of its pool (struct gm_errand) that a worker must have run before it. */
    uint64_t errands;
    uint64_t nnames;
    /* followed by uint64_t names[nnames] and head.length bytes */
};

/* --- answers of hosts --- */

enum gm_answer_kind {
    ANSWER_NONE,
    /* May I begin? bytes: ids of missing functions; 0: an errand is missing, send all again. */
    ANSWER_ASK,
    ANSWER_BEGUN,   /* a worker has begun the task */
    ANSWER_WORKERS, /* the host's workers, sent now and then; bytes: struct gm_worker each */
    ANSWER_ALIVE,
    /* ends of tasks, in order */
    ANSWER_VALUES,
    ANSWER_ERROR,
    ANSWER_REFUSED,
    ANSWER_MEMORY,
    ANSWER_ENDED,   /* it was asked to end; bytes: traceback */
    ANSWER_TIMEOUT, /* the same, by its time limit */
    ANSWER_CPU,
    ANSWER_CRASHED,  /* bytes: struct report_crash */
    ANSWER_LOST,     /* bytes: text, the reason */
    ANSWER_STOPPED,  /* task `k` and those behind it have not begun and will not */
    ANSWER_PROGRESS, /* the last progress of task `k`; no bytes: none */
    ANSWER_EVENT,    /* an event that task `k` has emitted; it goes on */
    ANSWER_OUTPUT,   /* before the end of a captured task: its output */
    /* Task `k` has printed this; bytes: struct gm_printed and the output. */
    ANSWER_PRINTED,
    ANSWER_FAULT, /* bytes: number of an errand, and its error segment */
    ANSWER_KINDS
};

/* An envelope of answers is preceded, unsealed, by the id of the host that sends them; the seal
** includes it. */
#define GM_SPEAKER GM_UNIQUE

/* Output of a task that gets its prefix where the submitter is. At most a fixed number of bytes of
** a call is under way (site/local/relay.c) until the submitter tells that they are written. */
struct gm_printed {
    uint64_t to; /* stream 1 or 2; 0: the task begins to print, and this is its label */
    /* followed by bytes */
};

struct gm_worker {
    uint32_t id;
    int32_t pid;
    uint64_t memory; /* resident bytes */
};

struct gm_answer {
    uint32_t kind, k;
    uint64_t ran;    /* ns; 0: not known */
    uint32_t worker; /* that has run the task; 0: not known */
    int32_t pid;     /* its process id; 0: not known */
    uint64_t length;
    /* followed by bytes */
};

/* --- lines --- */

struct gm_line {
    char host[GM_UNIQUE];
    uint8_t pad[5];
    uint32_t slots;
    char name[GM_NAME];
};

enum gm_order_kind {
    SAY_GO = 1, /* begin */
    SAY_NO,     /* do not */
    SAY_CODE,   /* bytes: struct gm_code, name, source, code, for ANSWER_ASK */
    /* Bytes: struct gm_errand, names, call: the next errand, after the code that it names. */
    SAY_ERRAND,
    /* Bytes: the id of a shared value that is no longer used. */
    SAY_DROP,
    SAY_PING,
    SAY_TELL,    /* report the progress */
    SAY_GRANT,   /* bytes: struct gm_grant */
    SAY_WRITTEN, /* bytes: uint64_t, how many more bytes of its output were written */
    SAY_RECALL,  /* tasks that have not begun must not begin */
    SAY_LATE,    /* the same, and end the running one: its time is over */
    SAY_STOP,    /* the same, for any other reason */
    /* The same, at once: kill the worker that runs it. Each of these four orders may follow those
    ** above it. */
    SAY_KILL
};

struct gm_order {
    char unique[GM_UNIQUE]; /* of the task, or zeros */
    uint8_t kind;
    uint64_t length;
    /* followed by bytes */
};

/* Task `k` may emit this number of events in total; UINT64_MAX: nobody wants them. */
struct gm_grant {
    uint64_t number;
    uint32_t k, pad;
};

struct gm_code {
    uint64_t id;
    uint64_t hash;
    uint64_t length;
    uint32_t name, source; /* bytes, NULs included */
    int32_t line;
    uint32_t value; /* it is a shared value (pool:share), no function */
};

/* An errand: every worker must run it once before the first task of this pool whose `errands`
** includes its number. The initializer, and calls of pool:everywhere, numbered from 1 in each pool.
** A host keeps them for its workers as long as the line. */
struct gm_errand {
    uint64_t number;
    uint64_t initializes; /* it is the initializer; or 0 */
    uint64_t names;
    uint64_t function; /* bytes of its function segment */
    /* followed by uint64_t names[names], function segment, argument segment */
};

/* --- reading messages --- */

/* The unread rest of a message. */
struct gm_reader {
    const char *p;
    size_t n;
};

/* Take the next `n` bytes. NULL: there are not so many. */
const char *tine__gm_take(struct gm_reader *r, uint64_t n);
/* Copy the next struct. False: it is not there. */
bool tine__gm_copy(struct gm_reader *r, void *out, size_t n);
/* Is this a text of this size, NUL included? */
bool tine__gm_is_text(const char *p, size_t size);

#endif
