/* Error objects, and raising them. Codes are TINE_E... */
#ifndef TINE_BIND_ERRORS_H
#define TINE_BIND_ERRORS_H

#include "bind/core.h"
#include "pool/failure.h"

/* Is the error value at `idx` that of an interrupt (Ctrl-C)? */
bool tine__is_interrupt(lua_State *L, int idx);
/* Push an error object with this code and a message, formatted as by lua_pushfstring. With
** TINE_ESYSTEM it gets errno. */
void tine__error_push(lua_State *L, int code, const char *format, ...);
/* The same, and raise it. */
int tine__error(lua_State *L, int code, const char *format, ...);
/* Raise the error for a code that the pool returned; errno must still be set. */
COLD int tine__refused(lua_State *L, struct core *c, int code);
/* Push the error object of a failure, or with NULL of `code`. */
void tine__error_failure(lua_State *L, struct core *c, int code, const struct failure *f);
/* Push the value at `idx` as text; errors in its __tostring do not matter. */
const char *tine__text_push(lua_State *L, int idx);
/* Set field `task` of the error object on top to task `k`. */
void tine__error_set_task(lua_State *L, const struct task_name *name, uint32_t k);
/* Push the label of task `k`. */
const char *tine__label_push(lua_State *L, const struct task_name *name, uint32_t k);
/* Push the metatable of error objects, making it if needed. */
void tine__errors_open(lua_State *L);
bool tine__is_error(lua_State *L, int idx);
int tine__kind(lua_State *L); /* tine.kind */

#endif
