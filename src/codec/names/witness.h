/* By what tables of a module are told from one another. */
#ifndef TINE_CODEC_NAMES_WITNESS_H
#define TINE_CODEC_NAMES_WITNESS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/names/index.h"

struct file;

/* What tells the table at `t`, of the module with that file, from others; 0: nothing. */
uint64_t tine__witness(lua_State *L, int self, const struct file *f, int t);
enum witnessed {
    WITNESS_MISSING,  /* it is another one */
    WITNESS_REPLACED, /* it may be the one: something that is not the file's is in that place */
    WITNESS_HERE,
};
/* Has the table at `t` here what another process says tells it from others? The file is that of the module here, or NULL. */
enum witnessed tine__has_witness(lua_State *L, int self, const struct file *f, int t,
                                 uint64_t witness);

/* So many bytes of what is checked are hashes. */
static inline size_t check_head(enum name_kind kind) {
    return kind == NAME_HELD ? 16 : 8;
}

#endif
