/* Tine: a process pool for Lua tasks, for programs in C.
**
** (The embedding interface grows here; what is below is what the core already uses.)
*/
#ifndef TINE_H
#define TINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINE_VERSION "0.1.0"

#if defined(__GNUC__)
#define TINE_API __attribute__((visibility("default")))
#else
#define TINE_API
#endif

/* Error codes: functions return 0 or one of these. name, value, kind in Lua, what it means */
#define TINE_ERRORS(X)                                                                             \
    X(TINE_ETIMEOUT, -1, "timeout", "the time allowed has passed")                                 \
    X(TINE_ECANCELLED, -2, "cancelled", "the task was cancelled")                                  \
    X(TINE_ESHUTDOWN, -3, "shutdown", "the pool has been shut down")                               \
    X(TINE_EBROKEN, -4, "broken", "the pool is broken")                                            \
    X(TINE_ECRASHED, -5, "crashed", "the worker that ran the task died")                           \
    X(TINE_ESERIALIZE, -6, "serialization", "a value cannot be sent")                              \
    X(TINE_EINVALID, -7, "invalid_state", "not possible in this state")                            \
    X(TINE_ESYSTEM, -8, "system", "the system refused, see errno")                                 \
    X(TINE_EFORKED, -9, "forked", "used in a forked child of its owner")                           \
    X(TINE_ENOMEM, -10, "system", "out of memory")                                                 \
    X(TINE_ETASK, -11, "task", "the task raised an error of its own")                              \
    X(TINE_EARG, -12, "argument", "a wrong argument")                                              \
    X(TINE_EAGAIN, -13, "again", "not now: the call would have to wait")

enum tine_code {
    TINE_OK = 0,
#define TINE_ERROR_MEMBER(name, value, kind, text) name = value,
    TINE_ERRORS(TINE_ERROR_MEMBER)
#undef TINE_ERROR_MEMBER
};

/* The kind ("timeout", "crashed" ...) and the meaning of a code; for any other number "unknown".
** Static strings. Any thread, never blocks. */
TINE_API const char *tine_error_kind(int code);
TINE_API const char *tine_error_text(int code);

#ifdef __cplusplus
}
#endif

#endif
