/* Registered classes. */
#ifndef TINE_CODEC_REGISTRY_H
#define TINE_CODEC_REGISTRY_H

#include <lua.h>
#include <stdbool.h>

enum { CLASS_NAME = 1, CLASS_METATABLE, CLASS_ENCODE, CLASS_DECODE };

/* Push the table of classes (by name and by metatable), or nothing and false when there is none. */
bool tine__classes_push(lua_State *L);
/* Push the text of the error value on top, that such a class's function has raised. */
const char *tine__push_text(lua_State *L);

#endif
