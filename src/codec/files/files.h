/* What `require` loads for a module. */
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

/* The file of that module, as it is now; NULL: `require` would find none. Raises memory errors. */
const struct file *tine__file_of(lua_State *L, struct codec *c, int self, const char *module);
/* The same if it holds bytecode, else NULL: others are not read for it. */
const struct file *tine__file_of_dump(lua_State *L, struct codec *c, int self, const char *module);
/* Push the name of the first file that the templates in `path` make of `module` and that can be read; relative ones are in
** `cwd`, or where the process is. False, and nothing: there is none. */
bool tine__file_search(lua_State *L, const char *cwd, const char *module, const char *path);
/* Push a list of what the code of that module's file uses of Lua's own: library and field (false: any), in turn. */
void tine__file_push_uses(lua_State *L, struct codec *c, int self, const char *module);

/* ---- identity.c ---- */

/* What stat says of a file; false: it says nothing. */
bool tine__file_identify(const char *path, struct file_id *id);
bool tine__file_same(const struct file_id *a, const struct file_id *b);
/* Is that path the same file? */
bool tine__file_is_of(const struct file *f, const char *path);
/* Is it still the file that was read? */
bool tine__file_is_current(const struct file *f);
/* A clock that moves every few milliseconds. */
uint64_t tine__tick(void);

/* ---- function_hash.c ---- */

/* The hash of the Lua function at `fn`: its code with lines and names, without the chunk's name. */
uint64_t tine__hash_function(lua_State *L, int self, int fn);
uint64_t tine__function_hash(const char *dump, const struct dump_function *f);

/* ---- library.c ---- */

/* Is it of the library, or program, that we are in? */
bool tine__library_is_ours(lua_CFunction fn);
/* Which library and where in it. *path: of the library, as long as that is loaded. 0: unknown. */
uint64_t tine__library_hash(lua_CFunction fn, const char **path);
/* What can be told of the userdata at `idx`, the same in each process; 0: nothing. */
uint64_t tine__userdata_hash(lua_State *L, int idx);

/* ---- version.c ---- */

/* The module at `module` gets its name, at `name`, in package.loaded, at `loaded`: note what its file is. May raise memory
** errors. */
void tine__version_note(lua_State *L, int loaded, int name, int module);
/* The hash that the module's file, which is `f` now, had when the module was loaded, or first looked at; 0: it had another one.
** May raise memory errors. */
uint64_t tine__version(lua_State *L, int self, const char *module, const struct file *f);

/* ---- owner.c ---- */

/* Push the name of the loaded module whose file has that chunk name; or false. No module's name is longer than `longest`
** (SIZE_MAX: who knows). */
bool tine__push_owner(lua_State *L, int self, const char *source, size_t longest);

#endif
