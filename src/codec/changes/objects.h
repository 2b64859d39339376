/* What in a module is the program's: functions, tables that hold such functions, and objects of the
** program's classes. Such a value is said to be given to the module.
*/
#ifndef TINE_CODEC_CHANGES_OBJECTS_H
#define TINE_CODEC_CHANGES_OBJECTS_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct file;

/* For which module a value is judged: the one with that file, whose reach is at stack index `reach`
** (uses.h; 0: none). */
struct looker {
    struct encoder *e;
    const struct file *file;
    int reach;
    bool others;  /* functions of modules in the reach count as the program's */
    bool no_text; /* functions made by `load` from a text do not count */
};

/* Is the value at `value` a Lua function of the program? */
bool tine__is_given(const struct looker *by, int value);
/* Does the table on top hold such a function, or a table in it, down to `depth` levels? At most
** `fields` fields are looked at. */
bool tine__holds_given(const struct looker *by, int depth, int fields);

/* Whose functions are in the class of an object: in the nearest of its classes that has any. */
struct makers {
    bool program; /* the program's, or of modules that are not in the reach */
    bool module;  /* the module's */
};

/* Add the functions in the table on top to `m`. */
void tine__makers_add(const struct looker *by, struct makers *m);
/* The makers of the class of the object on top. */
struct makers tine__makers_of(const struct looker *by);
/* Has the table on top a finalizer (__gc)? It owns something that a finalizer of its copy would
** close or remove. */
bool tine__is_finalized(lua_State *L);
/* Is the table on top the globals table or another table of Lua itself (package.loaded ...)? */
bool tine__is_states(const struct encoder *e);

#endif
