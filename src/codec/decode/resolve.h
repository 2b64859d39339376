/* Names back to what they name. */
#ifndef TINE_CODEC_DECODE_RESOLVE_H
#define TINE_CODEC_DECODE_RESOLVE_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

struct frame;
struct reader;

/* Replace what lies from stack index `first` to the top (module, kind, check, steps) by what it names. */
void tine__resolve_name(struct reader *r, struct frame *f, int first);
/* Replace the name on top by Lua's own function of that name. */
void tine__resolve_standard(struct reader *r);
/* Push what package.loaded has of the module named at `name`, or what `require` gives. The status of lua_pcall, with the
** error's text pushed. */
int tine__push_module(lua_State *L, int name);
/* Replace the value on top by its field named at `name`, as a script would find it. */
void tine__get_field(lua_State *L, int name);
/* Has this process the global whose name is at `name`? */
bool tine__has_global(lua_State *L, int name);

/* ---- text.c ---- */

/* Replace the text on top by the function it names. */
void tine__resolve_text(struct reader *r);

/* ---- same.c ---- */

/* What this process has is at `own` (nil: nothing), what came at `copy`, on top: leave the one to be taken in place of
** both. Ordinals of the copy's parts start at `from`. */
void tine__take_same(struct reader *r, int own, int copy, uint32_t from);
/* Are the values at `a` and `b` the same, if those at `copy` and `own` are? */
bool tine__is_same(struct reader *r, int a, int b, int copy, int own);

/* ---- source.c ---- */

/* Replace the Lua source on top by the function of that chunk. */
void tine__load_source(struct reader *r);

#endif
