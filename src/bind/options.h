/* Options in tables: read, and refused at the caller's line. */
#ifndef TINE_BIND_OPTIONS_H
#define TINE_BIND_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>

/* An option table's keys: raises an argument error for one that is not in `known` (NULL ends it). */
void tine__check_options(lua_State *L, int arg, const char *const *known);
/* The same for the table at `idx`, which is the value of an option: messages say `prefix` before the names. */
void tine__check_fields(lua_State *L, int arg, int idx, const char *prefix,
                        const char *const *known);
/* Push option `name` of the table at `arg`; its type. */
int tine__option(lua_State *L, int arg, const char *name);
/* Raise: option `name` (its value on top) must be `wanted`. */
int tine__option_error(lua_State *L, int arg, const char *name, const char *wanted);
/* The option as a string, or `none` when nil; it stays on the stack. */
const char *tine__option_string(lua_State *L, int arg, const char *name, const char *none);
/* The option `label`, which names a task (C programs get it, too, so without zero bytes): pushes it, or nil: NULL. */
const char *tine__option_label(lua_State *L, int arg, size_t *len);
/* The option as a count of 1 or more, up to `max`; `none` when nil. Up to OPTION_ANY, math.huge is no limit: 0, if that is
** what `none` is. */
#define OPTION_ANY INT64_MAX
uint64_t tine__option_count(lua_State *L, int arg, const char *name, uint64_t max, uint64_t none);
/* As ns; `none` when nil; UINT64_MAX for math.huge. */
uint64_t tine__option_seconds(lua_State *L, int arg, const char *name, uint64_t none);
/* As a run-time limit in ns, 0: none. */
uint64_t tine__option_limit(lua_State *L, int arg, const char *name, uint64_t none);
bool tine__is_callable(lua_State *L, int idx);
bool tine__option_flag(lua_State *L, int arg, const char *name, bool none);
/* As one of `names` (NULL ends it): its number; 0 when nil. */
int tine__option_choice(lua_State *L, int arg, const char *name, const char *const *names);
int tine__nearest(lua_State *L); /* core.nearest(name, list) */

#endif
