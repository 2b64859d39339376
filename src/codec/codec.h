/* The codec: Lua values to msgpack bytes, and back.
**
** A codec belongs to one lua_State and one peer (a pool, on the submitting side; the submitter, on
** a worker's side). It knows bytes and Lua, nothing of processes or shared memory.
**
** Messages are made of segments. A *segment* is
**
**     u32 body length | u32 number of marks | body: msgpack | marks: u32 each, increasing
**
** (little endian). A mark is the ordinal of an object (see below) to which something in the message
** refers. Plain data has no marks, and its body is plain msgpack.
**
** A *call* is a function segment (body: one msgpack object) followed by one or more argument
** segments (body: one msgpack array), each of which makes one call of the function. References in
** an argument segment may lead into itself and into the function segment, never into another
** argument segment. A *result* is one segment: an array of the values returned, or, for an error,
** [error value, traceback].
**
** THE WIRE FORMAT
**
** Plain data is plain msgpack, which any other implementation reads:
**
**     nil, booleans       nil, false, true
**     integers            the shortest int or uint
**     floats              always float 64, bit by bit
**     strings             always str, of any bytes
**     sequences           array; holes before the last item are nil if they are few; {} is an array
**     other tables        map; keys may be anything
**
** Whatever other writers produce is read: all widths, bin (as strings), float 32. An integer of
** 2^63 or more is an error, since Lua has no such integers. The last of equal keys in a map wins.
**
** Other Lua values use extension types (numbers in payloads are big endian):
**
**     ext  payload            meaning
**     1    u32                reference to the object with this ordinal
**     2    u32, u8            reference to an upvalue: ordinal of a function, index of its upvalue
**                             (only in place of an upvalue)
**     3    u8: 0              the globals table of the process that decodes
**          u8: 1..200         the call environment with this number (only in place of an upvalue)
**     4    u8: 0              light userdata NULL
**     5    u8                 operation: as the first item of an array, says what the array means
**     6    u8                 enum wire_held (wire.h): a value that stayed with the sender, and why
**     7    25 bytes           a buffer or a view of a frozen table (data/object.c): the same memory
**                             in each process
**     8    u32, u8            the table with this ordinal, which is the call environment with this
**                             number (only in place of an upvalue)
**
** Operations, with the items that follow the marker:
**
**      1 TABLE     n, metatable or nil, n array items, then key, value ...: a table that has a
**                  metatable, or both array items and other keys
**      2 FUNCTION  code, one item for each upvalue [, number of its call environment, then name,
**                  value ... of globals]. Code is the id of a stored function (in calls only: a
**                  result may be read when that is gone), or bytes: hash (8, little endian), dump
**      3 NAME      module, kind (enum name_kind), check, step ...: what the steps lead to from the
**                  module, which is required here. A step is a string or a positive integer (a
**                  key), a negative integer (an upvalue), or true (the metatable). Check is "", or
**                  what the decoder compares: 8 bytes of hash (of the module's file, for a table;
**                  of the function; of library and offset, for a C function; of the class's name,
**                  for a userdata), for a table in a module 8 bytes of witness (names/witness.h),
**                  then the end of the file's path, for error messages
**      4 OBJECT    class, decode function, plain value: a value of a registered class. If a class
**                  of this name is registered here, its own decode function is used
**      5 TEXT      "a.b.c": the longest prefix that can be required, then fields; without a dot, a
**                  module that is a function, else a global
**      6 CLASS     class, table or note: a registered metatable. The one that is registered here
**                  under this name, if any, is used in place of the table
**      7 NOTE      text: why a value could not travel; only as the value of a global and in CLASS
**      8 SOURCE    text: the chunk of this Lua source, never bytecode
**      9 SAME      name, value: what the name stands for here if it equals the value, else value
**     10 CHANGED   value, then table or library's name, path, value ...: the first value. The
**                  changes that follow (decode/apply.c) are made for this call, when all is read,
**                  and undone after it
**     11 STANDARD  "string.format": a function, file or table that a new Lua state has
**     12 SHARED    id: a value that was stored (in calls only). A worker decodes it once, and keeps
**                  the result until the value is gone from the store
**     13 ENVIRONMENT  as TABLE, for a table that is also a call environment, whose number times
**                  2^24 is added to n
**     14 KEPT      table, then table, value ...: the first table, which is a key with these values
**                  in the other tables (weak tables of modules). Where a value stayed with the
**                  sender, a text takes the place of the other table
**
** Objects are tables, Lua functions, values of operation 4, and a note in operation 6. Their
** ordinals count from 0, in the order in which the objects begin, through the function segment and
** the argument segment of a call. What travels by name has no ordinal. The marks of an argument
** segment may be ordinals of the function segment.
**
** CALL ENVIRONMENTS. The globals that a function reads and never assigns follow its upvalues as
** pairs; Lua's own globals only if they were replaced. The number in front of the pairs (ENV_NUMBER
** and so on, wire.h) says which environment they belong to. The decoder drops globals that its
** process has, unless the environment's table itself held them at the sender. For the rest it makes
** one table for each number, which takes the place of _ENV in the functions with that number, for
** this call alone. Other reads of that table go to the real globals; so do writes, unless ENV_KEEPS
** is set. Different numbers stand for different tables at the sender. Segments in which
** environments occur have bit 31 of the number of marks set.
**
** NAMES. names/names.c has the rule for what travels by name.
**
** LIMITS
**
** 1,000 levels of nesting (tables, functions and objects), on both sides. 4 GiB for a string or a
** segment. A container cannot declare more items than the segment has bytes. Bytecode is loaded
** only through lua_load with mode "b", after its hash and Lua's version were compared. That
** protects against accidents, not against forged bytecode: messages must only come from this pool's
** processes.
*/
#ifndef TINE_CODEC_CODEC_H
#define TINE_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "base/buf.h"
#include "msg/origin.h"

/* The store: sends functions once (store/store.h). These callbacks are given by whoever knows the
** transport, and called in the thread that owns the Lua state. Each may be NULL: code then travels
** inline. Only `keep` may raise, and only memory errors. */
struct codec_store {
    /* Store a function; code->bytes NULL: it travels by name, and only has an origin. The codec
    ** holds the function until it calls `drop`. NULL: out of memory. */
    const struct codec_stored *(*put)(void *ctx, const struct codec_code *code,
                                      const struct codec_origin *origin);
    void (*drop)(void *ctx, const struct codec_stored *stored);
    /* The message that is being written into `out` names a function that the codec holds: keep it
    ** in the store as long as the message may be read. The first function so named is the one that
    ** is called. 0 or TINE_ENOMEM. */
    int (*hold)(void *ctx, struct buf *out, const struct codec_stored *stored);
    /* A copy of the origin for labels, which may outlive the message. The codec asks for a new copy
    ** when *age has changed (`age` is not NULL if `keep` is not). NULL: no memory. */
    const struct codec_origin *(*keep)(void *ctx, lua_State *L, const struct codec_origin *origin);
    const uint32_t *age;
    /* The code with an id that was found in the message being read. False: there is none. */
    bool (*get)(void *ctx, uint64_t id, struct codec_code *out);
    /* A counter that changes when a shared value is gone, so that `get` no longer finds it. NULL:
    ** decoded shared values are not kept. */
    uint32_t (*gone)(void *ctx);
    void *ctx;
};

struct codec_options {
    struct codec_store store;
    bool send_globals; /* false: globals = "none" */
};

struct codec;

/* A shared value (pool:share) as Lua code of the submitter has it: a userdata that begins with this
** struct and has the metatable that the registry has under CODEC_SHARED. */
#define CODEC_SHARED "tine.shared"
struct codec_shared {
    const struct codec *codec;         /* the codec whose calls may name it */
    const struct codec_stored *stored; /* NULL: it was closed */
};

/* Push a userdata that owns a new codec (its __gc frees it), and return the codec, which is valid
** as long as the caller keeps the userdata alive. Raises only memory errors. */
struct codec *tine__codec_new(lua_State *L, const struct codec_options *options);
/* Change options.send_globals. */
void tine__codec_send_globals(struct codec *c, bool send);

/* Build the index of names (names/index.h) now, so that the first message need not: for a pool that
** is opened, whose workers start meanwhile, and for a process from which workers are forked. Raises
** memory errors. */
void tine__codec_learn(lua_State *L, struct codec *c);

/* Begin a new message: append to `out` a function segment with the function at stack index `fn`: a
** Lua function, a callable table, a C function with a name, or a string "a.b.c" (api.md,
** `pool:submit`). *origin, unless NULL, is set to the function's origin, also on failure if that is
** known. Returns 0; or TINE_ESERIALIZE, TINE_ENOMEM or TINE_EINVALID (a shared value in it was
** closed), with the message (a string) pushed and `out` as it was. May raise memory errors; the
** caller then cuts off what was appended to `out`. Nothing else is raised: metamethods and
** registered encode functions run protected. */
int tine__encode_function(lua_State *L, struct codec *c, int fn, struct buf *out,
                          const struct codec_origin **origin);

/* The number of the function that the latest tine__encode_function has encoded. To be asked for
** right after it: a finalizer, which any allocation may run, may encode another one. */
uint64_t tine__codec_function(const struct codec *c);
/* Can arguments for the function with that number still be encoded? */
bool tine__codec_has(const struct codec *c, uint64_t function);

/* The name of a global variable that has the function at `fn`, or "function", for labels. The
** string belongs to the globals table. Raises memory errors. */
const char *tine__global_name(lua_State *L, int fn);

/* The largest upvalue or global of the function encoded last, if it has at least CODEC_LOAD_LEAST
** bytes; else `bytes` is 0. Valid until the next function is encoded. */
#define CODEC_LOAD_LEAST (64u << 10)
struct codec_load {
    char name[64]; /* of the upvalue, or of the global */
    bool global;
    size_t bytes;
};
const struct codec_load *tine__codec_load(const struct codec *c);

/* Append an argument segment with the `n` values from stack index `first` on, for the function with
** that number. May be called repeatedly for one function (the calls of a chunk). Result as of
** tine__encode_function; on failure `out` is as it was, and the function segment is still good. Or
** CODEC_AGAIN, with a message pushed as well: another message was begun with this codec since, by a
** finalizer or an iterator, for instance, and the function must be encoded again before its
** arguments. Since that may happen then, too, callers give up after CODEC_AGAIN_MOST times, with
** TINE_ESERIALIZE. */
#define CODEC_AGAIN (-1002)
#define CODEC_AGAIN_MOST 100
int tine__encode_arguments(lua_State *L, struct codec *c, uint64_t function, int first, int n,
                           struct buf *out);

/* Append a result segment with the value at `idx`, which a call receives in place of one of its
** arguments. It may name what arguments may name; tine__decode_given reads it. Result as above. */
int tine__encode_given(lua_State *L, struct codec *c, int idx, struct buf *out);

/* Append a result segment with `n` values. Result as above. */
int tine__encode_values(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* Append a result segment with the shared value at `idx`; the code of its functions is stored, as
** for a call. Result as above. */
int tine__encode_shared(lua_State *L, struct codec *c, int idx, struct buf *out);
/* Push the value of such a segment. Raises as tine__decode_call does. */
void tine__decode_shared(lua_State *L, struct codec *c, const char *p, size_t len);

/* Append a result segment with an error: error value, traceback and so on. Result as above. */
int tine__encode_error(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* Append a result segment with values that are nil, booleans, numbers or strings. Needs no codec
** and no protected call: it never raises, and allocates nothing in Lua. False, and nothing is
** appended: some value is of another type, or there is no memory. */
bool tine__encode_scalars(lua_State *L, int first, int n, struct buf *out);

/* Decode one call: push the function and then its arguments; return the number of arguments.
** Functions, upvalues and tables are new for each call, except for functions without state
** (simple.c), which are reused. Raises an error (a string) when bytes are malformed, a module
** cannot be required, and so on; the caller must run it protected. It requires modules, and runs
** decode functions of classes. */
int tine__decode_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                      const char *args, size_t args_len);

/* Do the calls decoded from now on prepare this process for later calls, as an initializer does?
** What such a call sets in modules is to last, so settings that the sender has there are not
** applied to it. */
void tine__decode_prepares(struct codec *c, bool prepares);

/* Another message with calls begins. Its function segment may lie at the address of an earlier one,
** so the codec must not recognize it by address. */
void tine__decode_begin(struct codec *c);

/* Decode a call as most are: a function without state that was called before, with arguments that
** are nil, booleans or numbers. Needs no protected call. -1, and nothing is pushed: it is another
** kind of call. `again`: the message's function was decoded before, from the same bytes at `fn`. */
int tine__decode_plain_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                            bool again, const char *args, size_t args_len);

/* Decode a result segment: push its values, return their number. Raises as tine__decode_call
** does. */
int tine__decode_values(lua_State *L, struct codec *c, const char *p, size_t len);
/* Decode a segment of tine__encode_given, after tine__decode_call; likewise. */
int tine__decode_given(lua_State *L, struct codec *c, const char *p, size_t len);
/* Decode an error; likewise. Names that stand for nothing in this process become nil. */
int tine__decode_error(lua_State *L, struct codec *c, const char *p, size_t len);
/* Decode a few values (a result or arguments) that are nil, booleans, numbers or, with `strings`,
** strings. -1, and nothing is pushed: there are other values, or the bytes are malformed. Without
** `strings` it allocates nothing and never raises. The caller provides stack space for SCALARS_FIT
** values. */
#define SCALARS_FIT 4
int tine__decode_scalars(lua_State *L, const char *p, size_t len, bool strings);

/* After a call, when its results are encoded: reset what the call's message has changed in modules.
** Never raises. */
void tine__codec_restore(lua_State *L, struct codec *c);

/* For a call that is decoded and run while another one runs: put_aside pushes 2 values, which hold
** the changes that the outer call's message has made, so that they stay in effect; take_back resets
** the inner call's changes and takes the outer call's from stack index `at`. put_aside raises
** memory errors. */
struct codec_aside {
    uint32_t changed;
    bool held;
};
void tine__codec_put_aside(lua_State *L, struct codec *c, struct codec_aside *aside);
void tine__codec_take_back(lua_State *L, struct codec *c, const struct codec_aside *aside, int at);

/* Is the value at `idx` Lua's own `require`? */
bool tine__is_require(lua_State *L, int idx);

/* A task failed with the error `message`; its traceback is on top of the stack. If the error may
** come from a value that the submitter has and that did not travel (a global that is nil here, for
** instance), append a note that says so and how to mend it. Worker only. Raises only memory
** errors. */
void tine__codec_explain(lua_State *L, struct codec *c, const char *message);

/* tine.register(name, metatable, encode, decode), with its arguments at 1..4. Classes are shared by
** all codecs of L. Raises errors for wrong arguments, and for names or metatables registered
** otherwise. */
int tine__codec_register(lua_State *L);

#endif
