/* Message: what submitters and hosts (`tine serve`) say to each other through a job server.
**
** A TASK is a job for the function of its set of hosts (tine__gm_function); its unique id is random, and every sending
** has one of its own. A host that is given one opens a LINE to the submitter, if it has none: a job of its own for a
** function that the submitter alone has, which the submitter keeps as long as it lives. So each of the two can say
** something to the other at once, by WORK_DATA: the submitter on the line, the host on the task that it was given; and
** who goes, is missed by the other. ANSWERS are what a host says: that it asks for confirmation (ANSWER_ASK),
** has begun, results; the last ones end the job. ORDERS are what the submitter says: go on, do not, stop.
**
** All of them travel sealed (seal.h), each about its kind, the job's unique id, and a number that counts what has been
** said there: so nothing that is recorded, swapped or repeated is taken for another message.
**
** The two ends have the same build of Lua and the same byte order, or they would not have found each other: the
** function's name says so. Structs travel as they lie in memory; none has padding.
*/
#ifndef TINE_GEARMAN_MESSAGE_H
#define TINE_GEARMAN_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include "gearman/address.h"
#include "gearman/seal.h"
#include "msg/call.h"

#define GM_ID 16u
#define GM_UNIQUE 23u /* 22 characters that stand for 16 bytes, and a zero */
#define GM_FUNCTION 128u
#define GM_NAME 128u /* of a host, with its zero */

/* --- names --- */

/* A random id as text. False: no random bytes. */
bool tine__gm_unique(char out[GM_UNIQUE]);
/* What hosts of the set register, of which a task is a job: with all that must fit between the two. */
void tine__gm_function(const char *set, char out[GM_FUNCTION]);
/* What the submitter with this id registers. */
void tine__gm_line_function(const char *id, char out[GM_FUNCTION]);

/* --- seals --- */

enum gm_kind { KIND_TASK = 'T', KIND_ANSWERS = 'A', KIND_LINE = 'L', KIND_ORDERS = 'O' };

struct gm_about {
    char bytes[GM_FUNCTION + GM_UNIQUE + 16];
    size_t n;
};

/* What a message is about; `function` may be "". */
struct seal_about tine__gm_about(struct gm_about *a, enum gm_kind kind, const char *function,
                                 const char *unique, uint64_t number);

/* --- a task --- */

struct gm_task {
    char peer[GM_UNIQUE]; /* the submitter */
    uint8_t confirm;
    /* In ns: a host that has not heard of the submitter for so long has lost it. */
    uint64_t lost_after;
    /* Offset 0; `callee` and names are ids of the submitter's store, by content. */
    struct call_head head;
    uint64_t timeout, grace, cpu; /* ns, as struct settings */
    uint64_t event_buffer; /* events that each of its tasks may emit before it is granted more */
    int64_t priority;
    uint64_t errands; /* of its pool (struct gm_errand) that a worker is to have run before it */
    uint64_t nnames;
    /* uint64_t names[nnames]; head.length bytes */
};

/* --- what hosts say --- */

enum gm_answer_kind {
    ANSWER_NONE,
    ANSWER_ASK,     /* may I? bytes: ids of functions that it lacks */
    ANSWER_BEGUN,   /* this worker has taken it up */
    ANSWER_WORKERS, /* the workers that its host has, now and then: bytes, struct gm_worker each */
    ANSWER_ALIVE,
    /* ends of its tasks, in their order */
    ANSWER_VALUES,
    ANSWER_ERROR,
    ANSWER_REFUSED,
    ANSWER_MEMORY,
    ANSWER_ENDED,   /* it was asked to; bytes: traceback */
    ANSWER_TIMEOUT, /* the same, by its limit */
    ANSWER_CPU,
    ANSWER_CRASHED,  /* bytes: struct report_crash */
    ANSWER_LOST,     /* bytes: text, why */
    ANSWER_STOPPED,  /* task `k` and those behind it have not begun, and never will there */
    ANSWER_PROGRESS, /* what task `k` has said last; nothing: nothing yet */
    ANSWER_EVENT,    /* task `k`, which goes on, has emitted it */
    ANSWER_OUTPUT,   /* before the end of a task whose output is captured: what it has printed */
    ANSWER_PRINTED, /* it goes on, or is about to end, and has printed this: bytes, struct gm_printed and more */
    ANSWER_FAULT, /* bytes: a number, and the error segment of the errand that has it */
    ANSWER_KINDS
};

/* In front of an envelope of answers stands, as it is, the id of the host that says them: they are about that, too. */
#define GM_SPEAKER GM_UNIQUE

/* What tasks print that is to stand behind their labels where the submitter is. Of a call so many bytes are under way at
** most (site/local/relay.c) until the submitter says that they are written. */
struct gm_printed {
    uint64_t to; /* stream 1 or 2; 0: it begins to print, and this is its label */
    /* bytes */
};

struct gm_worker {
    uint32_t id;
    int32_t pid;
    uint64_t memory; /* resident bytes */
};

struct gm_answer {
    uint32_t kind, k;
    uint64_t ran;    /* ns; 0: unknown */
    uint32_t worker; /* that has run it, */
    int32_t pid;     /* and its process; 0: unknown */
    uint64_t length;
    /* bytes */
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
    SAY_CODE,   /* bytes: struct gm_code, name, source, code: what it asked for */
    SAY_ERRAND, /* bytes: struct gm_errand, names, call: the next one. The codes that it names came before */
    SAY_DROP, /* bytes: an id: that shared value is wanted no more */
    SAY_PING,
    SAY_TELL,    /* how far is it? */
    SAY_GRANT,   /* bytes: struct gm_grant */
    SAY_WRITTEN, /* bytes: uint64_t, so many more of what it has printed were written */
    SAY_RECALL,  /* what of it has not begun is not to; */
    SAY_LATE,    /* that, and end what has: its time is over; */
    SAY_STOP,    /* that, and for whatever reason; */
    SAY_KILL /* that, and at once, with the worker that runs it. A later one of the four says more */
};

struct gm_order {
    char unique[GM_UNIQUE]; /* of the task, or zeros */
    uint8_t kind;
    uint64_t length;
    /* bytes */
};

/* Task `k` may emit so many events in all; UINT64_MAX: nobody wants them. */
struct gm_grant {
    uint64_t number;
    uint32_t k, pad;
};

struct gm_code {
    uint64_t id;
    uint64_t hash;
    uint64_t length;
    uint32_t name, source; /* bytes, zeros included */
    int32_t line;
    uint32_t value; /* it is no function, but a shared value (pool:share) */
};

/* What every worker is to run once before the first task of this pool that names it by its number: the initializer, and
** calls of pool:everywhere, numbered from 1 for each pool. A host keeps them for its workers as long as the line. */
struct gm_errand {
    uint64_t number;
    uint64_t initializes; /* it is the initializer; or 0 */
    uint64_t names;
    uint64_t function; /* bytes of its function segment */
    /* uint64_t names[names]; function segment; argument segment */
};

/* --- reading --- */

/* What is left of a message. */
struct gm_reader {
    const char *p;
    size_t n;
};

/* The next `n` bytes; NULL: there are not so many. */
const char *tine__gm_take(struct gm_reader *r, uint64_t n);
/* Copy the next struct; false: it is not there. */
bool tine__gm_copy(struct gm_reader *r, void *out, size_t n);
/* A text of this size that ends with a zero, as it should? */
bool tine__gm_is_text(const char *p, size_t size);

#endif
