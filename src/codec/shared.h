/* Values that are sent once. */
#ifndef TINE_CODEC_SHARED_H
#define TINE_CODEC_SHARED_H

#include <lua.h>
#include <stdbool.h>
#include "codec/codec.h"
#include "codec/state.h"

struct encoder;
struct reader;
struct step;

/* If the userdata at `idx` is a shared value, append what names it: 1; 0: it is none; negative: error. */
int tine__shared_encode(struct encoder *e, int idx, const struct step *step);
/* Forget those that are gone. */
void tine__shared_forget(lua_State *L, struct codec *c);
static inline bool shared_are_gone(const struct codec *c) {
    return c->shared && c->options.store.gone(c->options.store.ctx) != c->gone;
}

/* Push what came of the shared value of that id; false, and nothing: it has not come yet, and *out is its segment. */
bool tine__shared_push(struct reader *r, lua_Integer id, struct codec_code *out);
/* The value on top is what came of it: the same object for all calls from now on. */
void tine__shared_keep(struct reader *r, lua_Integer id);

#endif
