/* Error objects. */
#ifndef TINE_BIND_ERRORS_H
#define TINE_BIND_ERRORS_H

#include "bind/core.h"
#include "pool/failure.h"

/* Is the error value at `idx` that of an interrupt (Ctrl-C)? */
bool tine__is_interrupt(lua_State *L, int idx);
/* Push an error object of this code with a message printf-like as lua_pushfstring. */
void tine__error_push(lua_State *L, int code, const char *format, ...);
/* The same, raised. */
int tine__error(lua_State *L, int code, const char *format, ...);
/* Raise what the pool refused (code, errno as it is now). */
COLD int tine__refused(lua_State *L, struct core *c, int code);
/* Push an error object for a failure; TINE_E... of it or of `code`. */
void tine__error_failure(lua_State *L, struct core *c, int code, const struct failure *f);
/* Push the text of the value at `idx`, whatever its __tostring does. */
const char *tine__text_push(lua_State *L, int idx);
/* Set `task` of the error object on top: task k of what has this name. */
void tine__error_set_task(lua_State *L, const struct task_name *name, uint32_t k);
/* Push the label of task k. */
const char *tine__label_push(lua_State *L, const struct task_name *name, uint32_t k);
/* Make the metatable of error objects known to this state; pushed. */
void tine__errors_open(lua_State *L);
bool tine__is_error(lua_State *L, int idx);
int tine__kind(lua_State *L); /* tine.kind */

#endif
