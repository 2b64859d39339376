/* Numbers of the wire format, which codec.h describes. Those that code without Lua needs are in
** segment.h. */
#ifndef TINE_CODEC_WIRE_H
#define TINE_CODEC_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/segment.h"

enum wire_ext {
    EXT_REF = 1,             /* u32 big endian: reference to the object with this ordinal */
    EXT_UPREF = 2,           /* u32 ordinal of a function, u8 index: reference to this upvalue */
    EXT_ENV = 3,             /* u8: 0 the globals table, 1..MAX_ENVS the call environment */
    EXT_NULL = 4,            /* u8 0: light userdata NULL */
    EXT_OP = SEGMENT_EXT_OP, /* u8 operation: first item of an array */
    EXT_HELD = 6,            /* u8 enum wire_held: a value that stayed with the sender */
    EXT_DATA = 7,            /* 25 bytes (data/data.h): a buffer or a view of a frozen table */
    EXT_ENV_OF = 8,          /* u32 ordinal of a table, u8: it is that call environment */
};

enum wire_op {
    OP_TABLE = 1,
    OP_FUNCTION = 2,
    OP_NAME = 3,
    OP_OBJECT = 4,
    OP_TEXT = SEGMENT_OP_TEXT,
    OP_CLASS = 6,
    OP_NOTE = 7,
    OP_SOURCE = SEGMENT_OP_SOURCE,
    OP_SAME = 9,
    OP_CHANGED = 10,
    OP_STANDARD = 11,
    OP_SHARED = 12,
    OP_ENVIRONMENT = 13,
    OP_KEPT = 14,
};

enum wire_held {
    HELD_ASSIGNED = 0, /* a global that tasks assign */
    HELD_NONE = 1,     /* a global, with globals = "none" */
    HELD_REPLACED = 2, /* Lua's own here: the program's replacement cannot travel */
    HELD_ADDED = 3,    /* a value that the program has put into a module, and that cannot travel */
};

/* Levels to which tables, functions and registered objects may be nested. */
#define MAX_LEVELS 1000
/* Call environments in one message. */
#define MAX_ENVS 200

/* The number in front of a function's globals has these parts: the number of its environment; does
** the environment keep what is written to it; how many of the pairs the environment's table itself
** held at the sender; how many of the pairs are read as _G.name. */
#define ENV_NUMBER 0xff
#define ENV_KEEPS 0x100
#define ENV_OWN_SHIFT 16
#define ENV_BY_G_SHIFT 32
#define ENV_COUNT 0xffff

/* In OP_ENVIRONMENT the number of array items has this many bits; the environment's number lies
** above. */
#define ENV_ITEMS_SHIFT 24

static inline uint32_t get_le32(const void *at) {
    const unsigned char *p = at;
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline void put_le32(void *at, uint32_t v) {
    unsigned char *p = at;
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
    p[2] = (unsigned char)(v >> 16);
    p[3] = (unsigned char)(v >> 24);
}

static inline uint32_t get_be32(const void *at) {
    const unsigned char *p = at;
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline void put_be32(void *at, uint32_t v) {
    unsigned char *p = at;
    p[0] = (unsigned char)(v >> 24);
    p[1] = (unsigned char)(v >> 16);
    p[2] = (unsigned char)(v >> 8);
    p[3] = (unsigned char)v;
}

#endif
