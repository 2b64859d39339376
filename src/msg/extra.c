#include "msg/extra.h"

/* splitmix64, after: Steele, Lea, Flood, "Fast splittable pseudorandom number
** generators", OOPSLA 2014. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

void tine__extra_seed(const struct call_extra *e, uint64_t index, uint64_t out[2]) {
    const uint64_t parts[] = {e->seed[0], e->seed[1], e->serial, index};
    uint64_t h = 0;
    for (int i = 0; i < 4; i++)
        h = mix(h ^ parts[i]);
    out[0] = mix(h);
    out[1] = mix(out[0]);
}
