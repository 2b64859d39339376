/* What the program has changed in Lua's own libraries. */
#ifndef TINE_CODEC_CHANGES_LIBRARIES_H
#define TINE_CODEC_CHANGES_LIBRARIES_H

#include <lua.h>
#include <stdbool.h>

struct code;
struct codec;
struct encoder;
struct watch;

/* The library whose name is at `at` (then its field, or false): add what the program has changed there to the list at
** `triples`. */
void tine__look_at_use(struct encoder *e, int at, int triples, int *count);
/* Push the table of the library whose name is at `name`; false, and nothing: the program has it not. */
bool tine__push_library(lua_State *L, int self, int name);

/* Push a list of the changed fields of Lua's own libraries that the code names, and with `strings` of the metatable of
** strings: library, path, value in turn. How many; 0, and nothing pushed. */
int tine__changes_used(struct encoder *e, const struct code *code, bool strings);
/* Is the value on top what a new state has under that global name? */
bool tine__is_standard_value(lua_State *L, const char *name);

/* Note what was seen of such a use. False: no memory. */
bool tine__watch_use(lua_State *L, int self, struct watch *w, int list, int at);
/* Has the program changed nothing of Lua's own that the code names, globals and fields of its libraries? Then that is noted in
** the code's watch. May raise memory errors. `self` is the state table. */
bool tine__uses_watch(lua_State *L, struct codec *c, int self, struct code *code);

#endif
