/* Shared values (pool:share): sent once, and named by an id in messages. */
#ifndef TINE_CODEC_SHARED_H
#define TINE_CODEC_SHARED_H

#include <lua.h>
#include <stdbool.h>
#include "codec/codec.h"
#include "codec/state.h"

struct encoder;
struct reader;
struct step;

/* If the userdata at `idx` is a shared value, append the operation that names it. 1; 0: it is none;
** negative: an error. */
int tine__shared_encode(struct encoder *e, int idx, const struct step *step);
/* Forget the decoded values that are gone from the store. */
void tine__shared_forget(lua_State *L, struct codec *c);
static inline bool shared_are_gone(const struct codec *c) {
    return c->shared && c->options.store.gone(c->options.store.ctx) != c->gone;
}

/* Push the decoded value with this id. False, and nothing is pushed: it has not been decoded yet,
** and *out is its segment. Raises if there is no such value. */
bool tine__shared_push(struct reader *r, lua_Integer id, struct codec_code *out);
/* Keep the value on top, which was decoded for this id: later calls get the same object. */
void tine__shared_keep(struct reader *r, lua_Integer id);

#endif
