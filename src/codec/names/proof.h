/* Proofs: can an object that a module holds travel by its name, and which file is a function
** from? */
#ifndef TINE_CODEC_NAMES_PROOF_H
#define TINE_CODEC_NAMES_PROOF_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>
#include "codec/names/names.h"

struct codec;
struct encoder;
struct file;

/* What a function in a table of a module is to the module's file, or to that of another module that
** the file names. */
enum origin {
    ORIGIN_OTHER, /* anything else */
    ORIGIN_ONCE,  /* made once by the file's main function; or of the module's C library */
    ORIGIN_MANY,  /* made by the main function, but more than once (in a loop) */
    ORIGIN_AGAIN, /* made by a function in the file, perhaps many times */
};
enum origin tine__origin(struct encoder *e, const struct file *f, int value);
/* If the C function at `value` was made by coroutine.wrap, push the function that its coroutine
** runs. False, and nothing is pushed: it is something else, or the coroutine has ended. */
bool tine__push_wrapped(lua_State *L, int value);
/* Is the function at `value` from the file `f` itself, or a C function? */
bool tine__is_from_file(struct encoder *e, const struct file *f, int value);
/* Is the value at `value` a Lua function that is neither from `f` nor from a module that `f` names?
** Then it belongs to the program. */
bool tine__is_programs(struct encoder *e, const struct file *f, int value);
/* Is the function at `fn` a Lua function from the file of one of the modules whose names are keys
** of the table at `reach` (0: of none)? */
bool tine__is_from_reach(struct encoder *e, int reach, int fn);
/* Is the value at `key` a string that does not occur in `f`, nor in the files of the modules in the
** list at `reach`? Then it comes from the program. */
bool tine__is_foreign_key(struct encoder *e, const struct file *f, int reach, int key);
/* The name of the chunk that the function at `fn` is from (lua_Debug.source). Valid as long as the
** function. */
const char *tine__source_of(lua_State *L, int fn);
/* Was the Lua function on top compiled from a string, with neither a file's name ("@") nor another
** one ("=") as chunk name? */
bool tine__is_of_text(lua_State *L);
/* Does the file define a function under this key, but never the Lua function at `fn`? */
bool tine__is_misplaced(struct encoder *e, const struct file *f, int fn, const char *key);

/* Does the module's file, when it is loaded, put object `id` where its name says? */
bool tine__is_files(struct encoder *e, uint32_t id);
/* How the object at `idx`, which is where its name says, travels. */
enum going tine__judge(struct encoder *e, int idx, struct name *n);
/* The hash that the module's file had when it was loaded, if the table at `t` holds functions from
** it; else 0. `self` is the stack index of the state table. */
uint64_t tine__hash_of_file(lua_State *L, struct codec *c, int self, const char *module, int t);

#endif
