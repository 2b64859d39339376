/* Failure: why a task, or a pool, failed otherwise than by an error of the task's own. Shared by all
** futures that a broken pool fails, so counted; never changed after it was made.
*/
#ifndef TINE_POOL_FAILURE_H
#define TINE_POOL_FAILURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct failure {
    atomic_uint refs;
    int code;        /* TINE_EBROKEN, TINE_ECRASHED, TINE_ESYSTEM ... */
    int error;       /* errno, or 0 */
    int pid;         /* of the worker, or 0 */
    unsigned worker; /* its id, or 0 */
    bool has_status; /* its end is known: */
    int status;      /* as waitpid gives it */
    uint64_t task;   /* the task it was running, or 0 */
    char *label;     /* of that task, or NULL */
    char *source;
    int line;
    const char *phase; /* of a task whose time was over: "pending" or "running"; static */
    char *cause;       /* a result segment [error, traceback] (an initializer's), or NULL */
    size_t cause_len;
    uint64_t limit, used; /* of memory, bytes, or 0 */
    bool cpu;             /* of a timeout: it was of processor time */
    char *host, *server;  /* where it was, or NULL: here */
    char *traceback;      /* of the place where the task was when it was asked to end, or NULL */
    char *output;         /* the end of what the task has printed, if that was captured, or NULL */
    size_t output_len;
    char *message; /* whole text */
};

/* A failure with one reference, message "no memory to say more" replaced by tine__failure_say. NULL when out of
** memory. */
struct failure *tine__failure_new(int code);
/* Set the message, printf-like; when out of memory it stays as it was. */
void tine__failure_say(struct failure *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct failure *tine__failure_ref(struct failure *f);
void tine__failure_unref(struct failure *f); /* NULL is fine */

#endif
