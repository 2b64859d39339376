/* Lua's bytecode instructions, as far as the codec reads them. */
#ifndef TINE_CODEC_OPS_H
#define TINE_CODEC_OPS_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Numbers of opcodes. They are found by compiling small chunks (probes) with this Lua. */
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
/* The distance of a jump, counted from the instruction after it. */
static inline long jump_of(uint32_t i) {
    return (long)(i >> 7) - ((1L << 24) - 1);
}

/* If instruction `i`, which is `x`, may continue farther on than at the next one: where; else 0. */
static inline size_t jump_target(const struct opcodes *ops, size_t i, uint32_t x) {
    unsigned op = op_of(x);
    if (op == ops->lfalseskip)
        return i + 2;
    if (op == ops->jump)
        return jump_of(x) > 0 ? i + 1 + (size_t)jump_of(x) : 0;
    if (op == ops->forprep || op == ops->tforprep)
        return i + 1 + bx_of(x);
    return 0;
}
/* Where instruction `i`, which is `x`, jumps back to; `i` + 1: it does not jump back. */
static inline size_t loop_start(const struct opcodes *ops, size_t i, uint32_t x) {
    long by = op_of(x) == ops->jump                                   ? jump_of(x)
              : op_of(x) == ops->forloop || op_of(x) == ops->tforloop ? -(long)bx_of(x)
                                                                      : 0;
    return by < 0 && (size_t)-by <= i + 1 ? i + 1 - (size_t)-by : i + 1;
}

/* Does the instruction leave its first register unchanged? Comparisons and tests count as if they
** did not. */
static inline bool only_reads(const struct opcodes *ops, unsigned op) {
    return op == ops->setupval || (op >= ops->settabup && op <= ops->setfield) || op == ops->ret ||
           op == ops->jump || op == ops->setlist || op == ops->extraarg;
}

#endif
