/* Failure: why a task or a pool failed, other than by an error that the task raised. All futures
** that a broken pool fails share one failure, so it is reference-counted; it does not change once
** it is shared.
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
    bool has_status; /* `status` is known */
    int status;      /* as waitpid gives it */
    uint64_t task;   /* id of the task that it was running, or 0 */
    char *label;     /* of that task, or NULL */
    char *source;
    int line;
    const char *phase; /* of a timeout: "pending" or "running"; static */
    /* Result segment [error, traceback] of an initializer or the like, or NULL. */
    char *cause;
    size_t cause_len;
    uint64_t limit, used; /* bytes of memory, or 0 */
    bool cpu;             /* of a timeout: the limit was of processor time */
    char *host, *server;  /* machine and job server, or NULL: this machine */
    char *traceback;      /* of a task that was asked to end, or NULL */
    char *output;         /* the end of the task's captured output, or NULL */
    size_t output_len;
    char *message; /* the whole text, or NULL */
};

/* A failure with one reference and without a message. NULL: no memory. */
struct failure *tine__failure_new(int code);
/* Set the message, printf-like. Without memory the message stays as it is. */
void tine__failure_say(struct failure *f, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct failure *tine__failure_ref(struct failure *f);
void tine__failure_unref(struct failure *f); /* NULL is allowed */

#endif
