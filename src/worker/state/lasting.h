/* Lasting: what a preload has made stays in memory once, however many workers have been forked after it. */
#ifndef TINE_WORKER_STATE_LASTING_H
#define TINE_WORKER_STATE_LASTING_H

#include <lua.h>

/* The preload has run in this state, and workers are forked next. */
void tine__lasting(lua_State *L);

#endif
