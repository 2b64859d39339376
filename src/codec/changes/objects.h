/* What is the program's of what a module holds: functions, tables with such ones, objects. */
#ifndef TINE_CODEC_CHANGES_OBJECTS_H
#define TINE_CODEC_CHANGES_OBJECTS_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct file;

/* Who looks: for a module with that file, which is loaded with those at `reach`. */
struct looker {
    struct encoder *e;
    const struct file *file;
    int reach;
    bool others;  /* functions of those count as the program's, too; */
    bool no_text; /* those that were made from a text do not */
};

/* Is the value at `value` a function of the program's? */
bool tine__is_given(const struct looker *by, int value);
/* Is there one in the table on top, or in tables in it as far as `depth` says? So many fields are looked at. */
bool tine__holds_given(const struct looker *by, int depth, int fields);

/* Whose functions are in the nearest of an object's classes that has any. */
struct makers {
    bool program; /* the program's, or those of a module that is not loaded with this one */
    bool module;  /* the module's itself */
};

/* Look at the functions in the table on top. */
void tine__makers_add(const struct looker *by, struct makers *m);
/* Whose is the class of the table on top? */
struct makers tine__makers_of(const struct looker *by);
/* Has the table on top a finalizer? It owns something that a copy would close or remove, too. */
bool tine__is_finalized(lua_State *L);
/* Is the table on top the state's own, the globals or package.loaded? */
bool tine__is_states(const struct encoder *e);

#endif
