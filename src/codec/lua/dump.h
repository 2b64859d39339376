/* The layout of Lua 5.4's precompiled functions, as far as the codec looks into them.
**
** A cursor goes over a dump that this process made itself, and still trusts nothing: when the bytes
** are not as expected it stops being `ok`, gives zeros, and the caller does without (a function is
** then loaded in the plain way, and no globals travel with it).
*/
#ifndef TINE_CODEC_DUMP_H
#define TINE_CODEC_DUMP_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#define DUMP_HEADER 31 /* signature to LUAC_NUM, with 8-byte integers and floats */

struct buf;
struct dump_visitor;

struct dump_cursor {
    const unsigned char *p, *end;
    bool ok;
    const struct dump_visitor *visitor; /* or NULL */
};

/* Append the dump of the Lua function at `fn`, with `strip` without names and lines. False: no memory. */
bool tine__dump_append(lua_State *L, int fn, bool strip, struct buf *out);

/* Have the Lua functions at `a` and `b` the same code, with lines and names? */
bool tine__same_code(lua_State *L, int a, int b);

/* At the main function, behind the header and the number of upvalues. */
struct dump_cursor tine__dump_open(const char *dump, size_t len);
/* Go over n bytes and give where they are; NULL when there are not so many. */
const unsigned char *tine__dump_skip(struct dump_cursor *c, size_t n);
unsigned tine__dump_byte(struct dump_cursor *c);
size_t tine__dump_number(struct dump_cursor *c);
/* NULL for the absent string. */
const char *tine__dump_string(struct dump_cursor *c, size_t *len);
/* One constant: its bytes if it is a string, else NULL. */
const char *tine__dump_constant(struct dump_cursor *c, size_t *len);
/* All constants of a function: push a table of the strings among them, by number. */
void tine__dump_push_constants(lua_State *L, struct dump_cursor *c);
/* Push constant `k` (from 0) of such a table, which is on top; NULL, and nothing: it is no string. */
const char *tine__dump_push_constant(lua_State *L, unsigned k);
void tine__dump_debug(struct dump_cursor *c);

/* Where the parts of a function lie, as offsets into the dump. */
struct dump_function {
    size_t start, end;
    size_t source_end;  /* behind the chunk name's encoding, which is at `start` */
    const char *source; /* its characters, NULL when absent */
    size_t source_len;
    size_t upvalues, nups;         /* descriptions of 3 bytes each: in stack, index, kind */
    size_t child_start, child_end; /* the first function inside, 0 when there is none */
};

/* The main function of a dump; false if it is not understood to its last byte. */
bool tine__dump_main(const char *dump, size_t len, struct dump_function *out);

/* Who looks at everything in a dump. */
struct dump_visitor {
    /* Every function, those inside of it before it; the main one has level 0. */
    void (*function)(void *ud, const struct dump_function *f, int level);
    /* Every string constant. */
    void (*text)(void *ud, const char *s, size_t len);
    void *ud;
};
/* False, and not all was visited, if it is not understood to its last byte. */
bool tine__dump_visit(const char *dump, size_t len, const struct dump_visitor *visitor);
/* The function that starts at offset `at`; its end is 0 if it is not understood. */
void tine__dump_at(const char *dump, size_t len, size_t at, struct dump_function *out);

#endif
