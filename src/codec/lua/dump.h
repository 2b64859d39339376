/* The format of Lua 5.4's dumps (precompiled functions), as far as the codec reads them.
**
** A cursor reads a dump. The process made the dump itself, but the cursor trusts nothing: when
** bytes are not as expected it stops being `ok` and returns zeros. The caller then does without:
** the function is loaded with lua_load for each call, and its globals do not travel.
*/
#ifndef TINE_CODEC_DUMP_H
#define TINE_CODEC_DUMP_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#define DUMP_HEADER 31 /* bytes from the signature to LUAC_NUM */

struct buf;
struct dump_visitor;

struct dump_cursor {
    const unsigned char *p, *end;
    bool ok;
    const struct dump_visitor *visitor; /* or NULL */
};

/* Append the dump of the Lua function at `fn`; with `strip`, without names and lines. False: no
** memory. */
bool tine__dump_append(lua_State *L, int fn, bool strip, struct buf *out);

/* Have the Lua functions at `a` and `b` the same code, including lines and names? Names of chunks
** may differ. */
bool tine__same_code(lua_State *L, int a, int b);

/* A cursor at the main function, behind the header and the number of upvalues. */
struct dump_cursor tine__dump_open(const char *dump, size_t len);
/* Skip `n` bytes, and return where they are; NULL: there are not so many. */
const unsigned char *tine__dump_skip(struct dump_cursor *c, size_t n);
/* Read a byte; a number. */
unsigned tine__dump_byte(struct dump_cursor *c);
size_t tine__dump_number(struct dump_cursor *c);
/* Read a string, and its length; NULL: there is none. */
const char *tine__dump_string(struct dump_cursor *c, size_t *len);
/* Read one constant: its bytes and length if it is a string, else NULL. */
const char *tine__dump_constant(struct dump_cursor *c, size_t *len);
/* Read all constants of a function, and push a table of the strings among them: number + 1 ->
** string. */
void tine__dump_push_constants(lua_State *L, struct dump_cursor *c);
/* Push constant `k` (from 0) of such a table, which is on top, and return it. NULL, and nothing is
** pushed: it is no string. */
const char *tine__dump_push_constant(lua_State *L, unsigned k);
/* Skip the debug information at the end of a function. */
void tine__dump_debug(struct dump_cursor *c);

/* The parts of a function, as offsets into the dump. */
struct dump_function {
    size_t start, end;
    size_t source_end;  /* end of the chunk name, which begins at `start` */
    const char *source; /* its characters; NULL: there is none */
    size_t source_len;
    size_t upvalues, nups;         /* descriptions, 3 bytes each: in stack, index, kind */
    size_t child_start, child_end; /* the first function inside; 0: there is none */
};

/* Read the main function of a dump. False: the dump is not understood to its last byte. */
bool tine__dump_main(const char *dump, size_t len, struct dump_function *out);

/* Callbacks for everything in a dump. */
struct dump_visitor {
    /* Called for each function, after the functions inside of it. The main function has level 0. */
    void (*function)(void *ud, const struct dump_function *f, int level);
    /* Called for each string constant. */
    void (*text)(void *ud, const char *s, size_t len);
    void *ud;
};
/* Visit a dump. False: it is not understood to its last byte; then not everything was visited. */
bool tine__dump_visit(const char *dump, size_t len, const struct dump_visitor *visitor);
/* Read the function that starts at offset `at`; out->end is 0 if it is not understood. */
void tine__dump_at(const char *dump, size_t len, size_t at, struct dump_function *out);

#endif
