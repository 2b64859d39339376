/* The progress that tasks report, as Lua values. */
#ifndef TINE_BIND_PROGRESS_H
#define TINE_BIND_PROGRESS_H

#include <lua.h>
#include "msg/progress.h"

/* Push done, total and text; returns 3. */
int tine__progress_push(lua_State *L, const struct progress *p);

#endif
