/* What a new Lua state has: Lua's own C functions and their names.
**
** A C function is known by its address, whatever else it is called since and whatever was put in its place.
** The list is made once in a process, from a state that nobody has touched.
*/
#ifndef TINE_CODEC_STANDARD_H
#define TINE_CODEC_STANDARD_H

#include <lua.h>
#include <stdbool.h>

/* In the registry of a state that has functions of its own in place of some of Lua's: a table of them by name
** ("os.exit"). Who names one of these gets that. */
#define CODEC_INSTEAD "tine.instead"

#define STRINGS "string metatable" /* as the module of its functions */

struct standard {
    lua_CFunction f;
    const char *module; /* "string"; "FILE*" for the methods of files */
    const char *field;  /* "format" */
    const char *name;   /* "string.format" */
    bool closure;       /* it has upvalues: only `require` and its like */
};

/* Put `f` in the place of one of Lua's own functions in this state. It does the same, as far as it can, and travels as that
** one: both ways, for who has the one has the other. May raise memory errors. */
void tine__standard_instead(lua_State *L, const char *module, const char *field, lua_CFunction f);
/* Is it the function of that entry, or one that may have its place? */
bool tine__standard_is(const struct standard *s, lua_CFunction f);
/* The entry of a C function; NULL: it is none of Lua's. */
const struct standard *tine__standard_of(lua_CFunction f);
/* The entry of that name; NULL: there is none. */
const struct standard *tine__standard_named(const char *module, const char *field);
/* Push the function called that ("string.format"); false, and nothing: there is none, or only a state itself can make
** it. */
bool tine__push_standard(lua_State *L, const char *name);
/* All of them, ending with an entry without a function. */
const struct standard *tine__standard_list(void);
/* Is that one of the modules that every state of Lua's or Tine's has? */
bool tine__standard_module(const char *module);
/* Is that the name of one of Lua's own globals? */
bool tine__standard_global(const char *name);
/* "io.stdin", "io.stdout" or "io.stderr" when the userdata at `idx` is the file that io has under that name; else NULL. */
const char *tine__standard_file(lua_State *L, int idx);

#endif
