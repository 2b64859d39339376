/* Resolving names: finds what names in a message stand for in this process. */
#ifndef TINE_CODEC_DECODE_RESOLVE_H
#define TINE_CODEC_DECODE_RESOLVE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct frame;
struct reader;

/* Replace the values from stack index `first` to the top (module, kind, check, steps) by what the
** name stands for. Raises. */
void tine__resolve_name(struct reader *r, struct frame *f, int first);
/* Replace the name on top by Lua's own function, file or table of this name. Raises. */
void tine__resolve_standard(struct reader *r);
/* Push the module with the name at `name` from package.loaded, or by `require`. Returns a status as
** lua_pcall does; on failure the error's text is pushed. Raises memory errors. */
int tine__push_module(lua_State *L, int name);
/* Replace the value on top by its field with the name at `name`, as a script would read it.
** Raises. */
void tine__get_field(lua_State *L, int name);
/* Does this process have the global with the name at `name`? */
bool tine__has_global(lua_State *L, int name);

/* ---- text.c ---- */

/* Replace the text on top by the function that it names. Raises. */
void tine__resolve_text(struct reader *r);

/* ---- same.c ---- */

/* For the operation SAME: at `own` is what this process has (nil: nothing), at `copy`, on top, what
** has come. Leave one of them, in place of both: the own value if the two are equal. Ordinals of
** the objects in the copy begin at `from`. */
void tine__take_same(struct reader *r, int own, int copy, uint32_t from);
/* Are the values at `a` and `b` equal, if those at `copy` and `own` are taken as equal? */
bool tine__is_same(struct reader *r, int a, int b, int copy, int own);

/* ---- source.c ---- */

/* Replace the Lua source on top by the function of its chunk. Raises. */
void tine__load_source(struct reader *r);

#endif
