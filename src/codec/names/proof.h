/* How a thing that a module holds goes, and whose a function is. */
#ifndef TINE_CODEC_NAMES_PROOF_H
#define TINE_CODEC_NAMES_PROOF_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include "codec/names/names.h"

struct codec;
struct encoder;
struct file;

/* What a function in a module's table is to the module's file. */
enum origin {
    ORIGIN_OTHER, /* not from there */
    ORIGIN_ONCE,  /* the file makes it, once */
    ORIGIN_MANY, /* ... in a loop, outside of other functions: a table that holds such ones is there once */
    ORIGIN_AGAIN, /* the file's code makes it, perhaps at every call of something */
};
enum origin tine__origin(struct encoder *e, const struct file *f, int value);
/* Push the function that the coroutine runs of what coroutine.wrap has made, if that is at `value`; false, and nothing: it is
** something else, or has ended. */
bool tine__push_wrapped(lua_State *L, int value);
/* Is the function at `value` from that very file, or a C function? */
bool tine__is_from_file(struct encoder *e, const struct file *f, int value);
/* Is the value a Lua function that is not from there: one of the program's? */
bool tine__is_programs(struct encoder *e, const struct file *f, int value);
/* Is the function at `fn` a Lua function from the file of one of the modules whose names are keys of the table at `reach`
** (0: of none)? */
bool tine__is_from_reach(struct encoder *e, int reach, int fn);
/* Is there at `key` a text that no file has, not that one nor those of the modules in the list at `reach`? The program must
** have thought of it. */
bool tine__is_foreign_key(struct encoder *e, const struct file *f, int reach, int key);
/* Where the function at `fn` is from, as Lua says it (lua_Debug): good as long as the function. */
const char *tine__source_of(lua_State *L, int fn);
/* Was the Lua function on top made by `load` from a text, and given no name of a file? */
bool tine__is_of_text(lua_State *L);
/* Does the file say that another function than the Lua function at `fn` has that name? */
bool tine__is_misplaced(struct encoder *e, const struct file *f, int fn, const char *key);

/* Does the module's file put the object of that number, when it is loaded, where its name says? */
bool tine__is_files(struct encoder *e, uint32_t id);
/* How the object at `idx` goes, which is where its name says. */
enum going tine__judge(struct encoder *e, int idx, struct name *n);
/* The hash of the module's file, as it was first, when the table at `t` holds functions that are in it, else 0. */
uint64_t tine__hash_of_file(lua_State *L, struct codec *c, int self, const char *module, int t);

#endif
