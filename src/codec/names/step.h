/* Steps from one object to another. */
#ifndef TINE_CODEC_NAMES_STEP_H
#define TINE_CODEC_NAMES_STEP_H

#include <lua.h>
#include <stdbool.h>

/* Replace the value at `at` by what is a step from it; the step is on top, and taken. False: it leads nowhere. */
bool tine__take_step(lua_State *L, int at);
/* Replace the step on top by how it is written: ".name", "[3]". */
void tine__push_step(lua_State *L, bool first);

#endif
