/* Lua values <-> msgpack bytes.
**
** A codec belongs to one lua_State and one peer (one pool on the submitting side, the submitter on
** the worker's side). It knows bytes and Lua, nothing of processes or shared memory.
**
** Messages are made of segments. A *segment* is
**
**     u32 body length | u32 number of marks | body: msgpack | marks: u32 each, increasing
**
** (little endian). Marks are the ordinals of the objects that something in the message points back
** to; plain data has none, and its body is plain msgpack.
** A *call* is a function segment (body: one msgpack object) followed by one or more argument
** segments (body: one msgpack array), each of which makes one call of the function: references from
** an argument segment may point into itself and into the function segment, never into another
** argument segment. A *result* is one segment: an array of the values returned, or, for an error,
** [error value, traceback].
**
** THE WIRE FORMAT (ext types, operations) is documented here, in this comment, by who writes it.
*/
#ifndef TINE_CODEC_CODEC_H
#define TINE_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "base/buf.h"
#include "codec/origin.h"

/* How code and origins reach the other side once: given by who knows the transport. Ids start at 1
** and are never reused. Every member may be NULL: code then travels inline. Called in the thread
** that owns the state; they do not raise. */
struct codec_store {
    /* Keep the code and say its id; 0: no room, send it inline. */
    uint32_t (*put)(void *ctx, const struct codec_code *code);
    /* The code of an id, valid as long as the codec; false when there is none. */
    bool (*get)(void *ctx, uint32_t id, struct codec_code *out);
    /* Keep the origin (strings are copied) and give a pointer that lives as long as the pool; NULL
    ** when out of memory. */
    const struct codec_origin *(*origin)(void *ctx, const struct codec_origin *origin);
    void *ctx;
};

struct codec_options {
    struct codec_store store;
    bool send_globals; /* false: globals = "none" */
    bool worker;       /* the task's side: named globals come from the call, code ids may be used in
                       ** results only for code that came by id */
};

struct codec;

/* Push a userdata that owns a new codec (its __gc frees it) and give the codec, valid while the
** userdata is anchored by the caller. Raises only memory errors. */
struct codec *tine__codec_new(lua_State *L, const struct codec_options *options);

/* Encode the function at stack index `fn` as a function segment appended to `out`: a Lua function, a
** callable table, a C function with a name, or a string "a.b.c" (api.md, `pool:submit`). Starts a
** new message. *origin is set when not NULL, also when the encoding fails and it is known.
** 0, or TINE_ESERIALIZE / TINE_ENOMEM with the message (a string) pushed and `out` as it was. May
** raise memory errors; nothing else raises, metamethods and registered encoders run protected. */
int tine__encode_function(lua_State *L, struct codec *c, int fn, struct buf *out,
                          const struct codec_origin **origin);

/* Append an argument segment with the `n` values from stack index `first` on, for the function
** encoded last. May be called again and again for the same function (the calls of a chunk). Result
** as above; on failure `out` is as it was and the function segment is still good. */
int tine__encode_arguments(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* Append a result segment with `n` values. On failure as above. */
int tine__encode_values(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* Length of the segment that starts at `p`, checked against the `len` bytes there are; 0 when it is
** not whole. */
size_t tine__segment_length(const char *p, size_t len);

/* Decode one call: push the function and then its arguments, and give the number of arguments. Each
** call of it makes fresh functions, upvalues and tables. Raises an error (a string that says what is
** wrong: bad bytes, a module that cannot be required ...): call it protected. */
int tine__decode_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                      const char *args, size_t args_len);

/* Decode a result segment: push its values, give their number. Raises likewise. */
int tine__decode_values(lua_State *L, struct codec *c, const char *p, size_t len);

/* After a task failed with the traceback at the top of the stack: append to it, when the error came
** from a nil global that the submitter has and that did not travel, what happened and how to mend
** it. Worker only; never raises anything but memory errors. */
void tine__codec_explain(lua_State *L, struct codec *c, const char *message);

/* tine.register(name, metatable, encode, decode): arguments at 1..4. Shared by all codecs of L.
** Raises argument errors and clashes. */
int tine__codec_register(lua_State *L);

#endif
