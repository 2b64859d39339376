/* Error codes: what the functions of the core return.
**
** A function that can fail returns 0 or one of the negative codes of include/tine.h (TINE_ENOMEM,
** TINE_ESYSTEM ...). With TINE_ESYSTEM `errno` is set, and kept until the caller has read it. What
** a user sees in addition (message, pid, signal, task ...) is a `tine_error`, which is made where
** the failure is understood, not where it happens.
*/
#ifndef TINE_BASE_ERROR_H
#define TINE_BASE_ERROR_H

#include <errno.h>
#include "tine.h"

/* How a task has failed, in a word; "error" when it raised an error of its own, for
** which tine.kind gives nil. */
static inline const char *error_kind_of(int code) {
    return code == TINE_ETASK ? "error" : tine_error_kind(code);
}

/* The errno of a call that has just failed with this code. */
static inline int error_errno(int code) {
    return code == TINE_ENOMEM ? ENOMEM : errno;
}

#endif
