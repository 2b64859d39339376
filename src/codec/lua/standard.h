/* Standard functions: Lua's own C functions, as a new state has them, and their names.
**
** A C function is recognized by its address, whatever name it has in this state, and whatever the
** program has put in its place. The list is made once for a process, from a new state.
*/
#ifndef TINE_CODEC_STANDARD_H
#define TINE_CODEC_STANDARD_H

#include <lua.h>
#include <stdbool.h>

/* The registry key of a table of functions that this state has in place of Lua's own, by name
** ("os.exit"). A message that names Lua's function gets the replacement. */
#define CODEC_INSTEAD "tine.instead"

#define STRINGS "string metatable" /* module of the methods of strings */

struct standard {
    lua_CFunction f;
    const char *module; /* "string"; "FILE*" for the methods of files */
    const char *field;  /* the key in the module: "format" */
    const char *name;   /* the full name: "string.format" */
    bool closure;       /* it has upvalues, as `require` has */
};

/* Replace one of Lua's own functions in this state by `f`, which does the same as far as it can.
** The two travel as one: a state that has only one of them gets that. `module` and `field` must
** stay valid. May raise memory errors. */
void tine__standard_instead(lua_State *L, const char *module, const char *field, lua_CFunction f);
/* Is `f` the function of the entry, or its replacement? */
bool tine__standard_is(const struct standard *s, lua_CFunction f);
/* The entry of a C function; NULL: it is none of Lua's own. */
const struct standard *tine__standard_of(lua_CFunction f);
/* The entry with these names; NULL: there is none. */
const struct standard *tine__standard_named(const char *module, const char *field);
/* Push the function with a full name ("string.format"). False, and nothing is pushed: there is
** none, or only the state itself can make it (a closure). */
bool tine__push_standard(lua_State *L, const char *name);
/* All entries; the last one is followed by one without a function. */
const struct standard *tine__standard_list(void);
/* Is it the name of a module that each state of Lua or of Tine has? */
bool tine__standard_module(const char *module);
/* Is it the name of one of Lua's own globals? */
bool tine__standard_global(const char *name);
/* "io.stdin", "io.stdout" or "io.stderr" if the userdata at `idx` is one of these files, open; else
** NULL. */
const char *tine__standard_file(lua_State *L, int idx);

#endif
