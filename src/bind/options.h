/* Reading option tables. A wrong option is an argument error of the calling function that names the
** option. An `arg` that is nil counts as an empty table. */
#ifndef TINE_BIND_OPTIONS_H
#define TINE_BIND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>

/* Raise an argument error if the table at `arg` has a key that is not in `known`, which ends with
** NULL. */
void tine__check_options(lua_State *L, int arg, const char *const *known);
/* The same for the table at `idx`, an option's value; messages put `prefix` before names. */
void tine__check_fields(lua_State *L, int arg, int idx, const char *prefix,
                        const char *const *known);
/* Push option `name`; returns its type. */
int tine__option(lua_State *L, int arg, const char *name);
/* Raise: option `name`, whose value is on top, must be `wanted`. */
int tine__option_error(lua_State *L, int arg, const char *name, const char *wanted);
/* A string option, or `none` if nil; it stays on the stack. */
const char *tine__option_string(lua_State *L, int arg, const char *name, const char *none);
/* Option `label`: pushes it and returns it, or pushes nil and returns NULL. It must have no zero
** bytes, since C programs get it, too. */
const char *tine__option_label(lua_State *L, int arg, size_t *len);
/* An integer from 1 to `max`, or `none` if nil. With `max` OPTION_ANY, math.huge means no limit and
** gives 0 if `none` is 0, else `max`. */
#define OPTION_ANY INT64_MAX
uint64_t tine__option_count(lua_State *L, int arg, const char *name, uint64_t max, uint64_t none);
/* Seconds, as ns; `none` if nil; UINT64_MAX for math.huge. */
uint64_t tine__option_seconds(lua_State *L, int arg, const char *name, uint64_t none);
/* A limit in seconds, as ns, 0: none; `none` if nil. */
uint64_t tine__option_limit(lua_State *L, int arg, const char *name, uint64_t none);
bool tine__is_callable(lua_State *L, int idx);
/* Is it a string that C code sees the whole of, so without zero bytes? */
bool tine__is_text(lua_State *L, int idx);
bool tine__option_flag(lua_State *L, int arg, const char *name, bool none);
/* The index of a string option in `names`, which ends with NULL; 0 if nil. */
int tine__option_choice(lua_State *L, int arg, const char *name, const char *const *names);
int tine__nearest(lua_State *L); /* core.nearest(name, list) */

#endif
