/* Seed: what a worker's math.random begins with: by Lua's own math.randomseed, whatever a task puts in its place. */
#ifndef TINE_WORKER_STATE_SEED_H
#define TINE_WORKER_STATE_SEED_H

#include <lua.h>
#include <stdint.h>

/* Keep math.randomseed of a fresh state. Raises memory errors, as all of these. */
void tine__seed_open(lua_State *L);
/* Seed with these two numbers. */
void tine__seed_with(lua_State *L, const uint64_t seed[2]);
/* With numbers of the system's: siblings would all draw the same numbers. */
void tine__seed_fresh(lua_State *L);

/* What math.random has come to, so that it goes on from there after another task. Neither raises. */
struct seed_state {
    size_t size;
    unsigned char bytes[64];
};
void tine__seed_save(lua_State *L, struct seed_state *s);
void tine__seed_restore(lua_State *L, const struct seed_state *s);

#endif
