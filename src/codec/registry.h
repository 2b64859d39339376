/* Classes registered with tine.register. */
#ifndef TINE_CODEC_REGISTRY_H
#define TINE_CODEC_REGISTRY_H

#include <lua.h>
#include <stdbool.h>

enum { CLASS_NAME = 1, CLASS_METATABLE, CLASS_ENCODE, CLASS_DECODE };

/* Push the table of classes, which has the records by name and by metatable. False, and nothing is
** pushed: no class is registered. */
bool tine__classes_push(lua_State *L);
/* Push the text of the error value on top, which a class's function (or anything else) has raised,
** and return it. */
const char *tine__push_text(lua_State *L);

#endif
