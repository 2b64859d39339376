/* Lasting: what a preload has made stays in memory once, however many workers
** are forked afterwards. */
#ifndef TINE_WORKER_STATE_LASTING_H
#define TINE_WORKER_STATE_LASTING_H

#include <lua.h>

/* To be called when the preload has run in this state, before workers are forked. */
void tine__lasting(lua_State *L);

#endif
