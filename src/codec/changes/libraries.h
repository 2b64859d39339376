/* What the program has changed in Lua's standard libraries, as far as code uses them.
**
** A use is the name of a standard library, and the name of a field in it or false for any field.
*/
#ifndef TINE_CODEC_CHANGES_LIBRARIES_H
#define TINE_CODEC_CHANGES_LIBRARIES_H

#include <lua.h>
#include <stdbool.h>

struct code;
struct codec;
struct encoder;
struct watch;

/* Append to the list at `triples` the changes in the use at `at` and `at` + 1: library, path,
** value. *count is the number of triples. */
void tine__look_at_use(struct encoder *e, int at, int triples, int *count);
/* Push the table of the library with the name at `name`; false, and nothing is pushed: the program
** has no such library. `self` is the stack index of the state table. */
bool tine__push_library(lua_State *L, int self, int name);

/* Push a list of the changes in standard libraries that the code uses, and with `strings` in the
** metatable of strings: library, path, value in turn. Returns their number; 0: nothing is pushed.
** May raise memory errors. */
int tine__changes_used(struct encoder *e, const struct code *code, bool strings);
/* Is the value on top what a new Lua state has under that name in its globals? */
bool tine__is_standard_value(lua_State *L, const char *name);

/* Watch the use at `at` and `at` + 1. False: no memory. */
bool tine__watch_use(lua_State *L, int self, struct watch *w, int list, int at);
/* Are all standard globals and library fields that the code uses unchanged? Then the code's watch
** records them, so that the next question is answered quickly. May raise memory errors. `self` is
** the stack index of the state table. */
bool tine__uses_watch(lua_State *L, struct codec *c, int self, struct code *code);

#endif
