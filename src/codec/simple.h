/* The quick way for functions without state. */
#ifndef TINE_CODEC_SIMPLE_H
#define TINE_CODEC_SIMPLE_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct code;
struct codec;
struct encoder;
struct loaded;

/* The function at `fn`, of that code, was encoded: the second time, it is one to recognize. */
void tine__simple_note(lua_State *L, struct codec *c, int fn, struct code *code);
/* Encode the function at `fn` if it was noted and is simple, and give its code, else NULL. It is
** codec.last then: the encoder has not met it. */
struct code *tine__simple_encode(lua_State *L, struct codec *c, int fn, struct buf *out);
/* Push the function codec.last. */
void tine__simple_push_last(lua_State *L, const struct codec *c);
/* Have the encoder meet it: it is at `fn`. */
int tine__simple_meet(struct encoder *e, int fn);
/* May one closure of this code serve all calls? */
bool tine__stateless(const struct loaded *l, const char *dump, size_t len);
/* Push the function of a segment if it is simple and its code is loaded. A new closure is made only when
** `make`, which raises memory errors; without, it never raises. */
bool tine__simple_push(lua_State *L, struct codec *c, const char *segment, size_t len, bool make);
/* The same, of a segment that is still what it was when it was pushed last. It never raises; false: it is not known that
** it is simple. */
bool tine__simple_push_again(lua_State *L, struct codec *c, const char *segment);

#endif
