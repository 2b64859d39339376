/* Seed: seeding a worker's math.random, always by Lua's own math.randomseed, even if a
** task has replaced that. */
#ifndef TINE_WORKER_STATE_SEED_H
#define TINE_WORKER_STATE_SEED_H

#include <lua.h>
#include <stdint.h>

/* Keep math.randomseed of a fresh state. Raises memory errors, as the next two. */
void tine__seed_open(lua_State *L);
/* Seed with these two numbers. */
void tine__seed_with(lua_State *L, const uint64_t seed[2]);
/* Seed with random numbers from the system; otherwise all siblings would draw the same. */
void tine__seed_fresh(lua_State *L);

/* The state of math.random, which is restored after another task. Neither function raises. */
struct seed_state {
    size_t size;
    unsigned char bytes[64];
};
void tine__seed_save(lua_State *L, struct seed_state *s);
void tine__seed_restore(lua_State *L, const struct seed_state *s);

#endif
