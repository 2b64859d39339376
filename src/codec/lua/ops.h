/* Lua's instructions, as far as the codec looks at them. */
#ifndef TINE_CODEC_OPS_H
#define TINE_CODEC_OPS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* What numbers they have is learnt from probes that this Lua compiles. */
struct opcodes {
    unsigned char gettabup, settabup, getupval, setupval, loadk, gettable, settable, getfield,
        setfield, self, newtable, setlist, closure, vararg, call, tailcall, jump, forloop, forprep,
        tforprep, tforcall, tforloop, ret, move, loadi, loadf, loadkx, loadnil, loadfalse,
        lfalseskip, loadtrue, extraarg;
    bool known;
};
struct opcodes tine__opcodes(lua_State *L);

static inline unsigned op_of(uint32_t i) {
    return i & 0x7f;
}
static inline unsigned a_of(uint32_t i) {
    return i >> 7 & 0xff;
}
static inline unsigned b_of(uint32_t i) {
    return i >> 16 & 0xff;
}
static inline unsigned c_of(uint32_t i) {
    return i >> 24;
}
static inline unsigned k_of(uint32_t i) {
    return i >> 15 & 1;
}
static inline unsigned bx_of(uint32_t i) {
    return i >> 15;
}
static inline unsigned ax_of(uint32_t i) {
    return i >> 7;
}

static inline uint32_t instruction(const unsigned char *code, size_t i) {
    uint32_t x;
    memcpy(&x, code + 4 * i, 4);
    return x;
}
/* How far a jump goes from the instruction after it. */
static inline long jump_of(uint32_t i) {
    return (long)(i >> 7) - ((1L << 24) - 1);
}

#endif
