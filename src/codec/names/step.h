/* Steps from one object to another (see names.h). */
#ifndef TINE_CODEC_NAMES_STEP_H
#define TINE_CODEC_NAMES_STEP_H

#include <lua.h>
#include <stdbool.h>

/* Replace the value at `at` by the value that is a step from it. The step is on top, and popped.
** False: it leads nowhere. */
bool tine__take_step(lua_State *L, int at);
/* Replace the step on top by its text: ".name", "[3]"; `first`: without the dot. */
void tine__push_step(lua_State *L, bool first);

#endif
