/* Witnesses: tell tables of one module apart.
**
** The *witness* of a table is a hash of one function in it and of its key: the function that the
** module's file puts last into such a table. Where a class keeps its methods in tables of its own
** (middleclass), it is a function in one of these. It travels with the table's name, so that the
** receiver can check that its own table has it, too.
*/
#ifndef TINE_CODEC_NAMES_WITNESS_H
#define TINE_CODEC_NAMES_WITNESS_H

#include <lua.h>
#include <stddef.h>
#include <stdint.h>
#include "codec/names/index.h"

struct file;

/* The witness of the table at `t` of the module with this file; 0: it has none. `self` is the stack
** index of the state table. */
uint64_t tine__witness(lua_State *L, int self, const struct file *f, int t);
enum witnessed {
    WITNESS_MISSING,  /* the table is another one */
    WITNESS_REPLACED, /* it may be the one: another function, not the file's, is under the key */
    WITNESS_HERE,
};
/* Has the table at `t` the witness that another process has sent? `f` is the record of the module's
** file here, or NULL. */
enum witnessed tine__has_witness(lua_State *L, int self, const struct file *f, int t,
                                 uint64_t witness);

/* How many bytes of a name's check are hashes. */
static inline size_t check_head(enum name_kind kind) {
    return kind == NAME_HELD ? 16 : 8;
}

#endif
