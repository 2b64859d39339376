/* Files: the file that `require` loads for a module, its version, and functions from it. */
#ifndef TINE_CODEC_FILES_FILES_H
#define TINE_CODEC_FILES_FILES_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct codec;
struct dump_function;
struct file;
struct file_id;

/* The record of the module's file as it is now; NULL: `require` would find none, or it cannot be
** read. `self` is, here and below, the stack index of the state table. Raises memory errors. */
const struct file *tine__file_of(lua_State *L, struct codec *c, int self, const char *module);
/* The same if the file holds bytecode, else NULL; other files are not read. */
const struct file *tine__file_of_dump(lua_State *L, struct codec *c, int self, const char *module);
/* Push the name of the first readable file of those that the templates in `path` (as in
** package.path) make of `module`; relative names are looked up in `cwd`, or (NULL) in the working
** directory. False, and nothing is pushed: there is none. */
bool tine__file_search(lua_State *L, const char *cwd, const char *module, const char *path);
/* Push the list of what the code in the module's file uses of Lua's own libraries: library and
** field (false: any field), in turn. */
void tine__file_push_uses(lua_State *L, struct codec *c, int self, const char *module);

/* ---- identity.c ---- */

/* Fill in what stat says of a file. False: stat fails. */
bool tine__file_identify(const char *path, struct file_id *id);
/* Are they the same version of the same file? */
bool tine__file_same(const struct file_id *a, const struct file_id *b);
/* Is it the file at `path`? */
bool tine__file_is_of(const struct file *f, const char *path);
/* Is the file still the one that was read? */
bool tine__file_is_current(const struct file *f);
/* A clock that moves every few milliseconds. */
uint64_t tine__tick(void);

/* ---- function_hash.c ---- */

/* The hash of the Lua function at `fn`: of its code with lines and names, without the chunk's name.
** The second one is that of a function in a dump. */
uint64_t tine__hash_function(lua_State *L, int self, int fn);
uint64_t tine__function_hash(const char *dump, const struct dump_function *f);

/* ---- library.c ---- */

/* Is the function in the library, or program, that Tine itself is in? */
bool tine__library_is_ours(lua_CFunction fn);
/* A hash of the C function's library and its offset there. *path is the library's path, valid as
** long as it is loaded. 0: unknown. */
uint64_t tine__library_hash(lua_CFunction fn, const char **path);
/* A hash of what is the same in each process for the userdata at `idx`; 0: there is nothing. */
uint64_t tine__userdata_hash(lua_State *L, int idx);

/* ---- version.c ---- */

/* The module at stack index `module` is about to be entered into package.loaded, at `loaded`, under
** the name at `name`: note what its file is now. May raise memory errors. */
void tine__version_note(lua_State *L, int loaded, int name, int module);
/* The hash that the module's file, whose current record is `f`, had when the module was loaded or,
** if that was not seen, when a codec looked at the module first; 0: it had another hash than now,
** which is not known. May raise memory errors. */
uint64_t tine__version(lua_State *L, int self, const char *module, const struct file *f);

/* ---- owner.c ---- */

/* Push the name of the loaded module whose file has this chunk name; or false. No loaded module has
** a name longer than `longest` (SIZE_MAX: not known). */
bool tine__push_owner(lua_State *L, int self, const char *source, size_t longest);

#endif
