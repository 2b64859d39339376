/* A fast path for functions without state, and for functions whose upvalues are simple (see
** simple.c). */
#ifndef TINE_CODEC_SIMPLE_H
#define TINE_CODEC_SIMPLE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct code;
struct codec;
struct encoder;
struct loaded;

/* The function at `fn`, which has this code, was encoded. When that has happened twice, it is kept
** and recognized by its address, if it is simple. */
void tine__simple_note(lua_State *L, struct codec *c, int fn, struct code *code);
/* Encode the function at `fn` if tine__simple_note has kept it and it is still simple. Returns its
** code, or NULL. The function is codec.last then, and the encoder does not have it. */
struct code *tine__simple_encode(lua_State *L, struct codec *c, int fn, struct buf *out);
/* Push the function codec.last. */
void tine__simple_push_last(lua_State *L, const struct codec *c);
/* Enter codec.last, which is at `fn`, into the encoder, so that arguments can refer to it. 0 or an
** error. */
int tine__simple_meet(struct encoder *e, int fn);
/* May one closure of this code serve all calls? */
bool tine__stateless(const struct loaded *l, const char *dump, size_t len);
/* Push the function of a segment if it is simple and its code is loaded; else false, and nothing is
** pushed. With `make` a new closure is made if need be, which may raise memory errors; without, it
** never raises. */
bool tine__simple_push(lua_State *L, struct codec *c, const char *segment, size_t len, bool make);
/* The same for a segment that has not changed since its function was pushed last. Never raises.
** False: it is not known to be simple. */
bool tine__simple_push_again(lua_State *L, struct codec *c, const char *segment);

#endif
