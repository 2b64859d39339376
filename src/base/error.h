/* Error codes: what every function of the core returns.
**
** A function that can fail returns 0 or one of the negative codes of include/tine.h (TINE_ENOMEM,
** TINE_ESYSTEM ...). TINE_ESYSTEM goes with an errno, which is kept in `errno` until the caller has
** read it. What a user sees beside the code (message, pid, signal, task ...) is a `tine_error`,
** made where the failure is understood, not where it happens.
*/
#ifndef TINE_BASE_ERROR_H
#define TINE_BASE_ERROR_H

#include <errno.h>
#include "tine.h"

/* How a task has failed, in a word: as tine.kind says it of the error; one that is the task's own has none. */
static inline const char *error_kind_of(int code) {
    return code == TINE_ETASK ? "error" : tine_error_kind(code);
}

/* The errno that goes with what has just failed with this code. */
static inline int error_errno(int code) {
    return code == TINE_ENOMEM ? ENOMEM : errno;
}

#endif
