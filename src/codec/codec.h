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
** THE WIRE FORMAT
**
** Plain data is plain msgpack, which any other implementation reads:
**
**     nil, booleans       nil, false, true
**     integers            the shortest int or uint
**     floats              always float 64, bit by bit
**     strings             always str, of any bytes
**     sequences           array; holes before the last item are nil as long as they are few; so is {}
**     other tables        map; keys may be anything
**
** and everything of other writers is read: all widths, bin as strings, float 32, integers beyond
** Lua's as floats, the first of equal keys being overwritten by the last.
**
** What more Lua has, is in extensions:
**
**     ext  payload            meaning
**     1    u32                the object with that ordinal, again
**     2    u32, u8            upvalue 2 of the function with ordinal 1 (only as an upvalue)
**     3    u8: 0              the globals table of the process that decodes
**          u8: 1..200         call environment of that number (only as an upvalue, see below)
**     4    u8: 0              light userdata NULL
**     5    u8                 operation: first item of an array that stands for something else
**     6    u8                 a global that stayed at home: 0 it is assigned, 1 globals = "none"
**     7    25 bytes           a buffer, or a view of a frozen table (data/object.c): the same memory in each process
**     8    u32, u8            the table with that ordinal, which is the call environment of that number (only as an
**                             upvalue)
**
** (numbers in payloads big endian). Operations, with the items that follow the marker:
**
**     1 TABLE     n, metatable or nil, n array items, then key, value ...: a table with both items
**                 and other keys, or with a metatable
**     2 FUNCTION  code, one item for each upvalue [, number of its call environment, then name,
**                 value ... of globals]. Code is the id of a stored one (in calls only: what a
**                 result names might be gone when it is read), or bytes: hash (8, little endian),
**                 lua_dump
**     3 NAME      module, kind (enum name_kind), check, step ...: what the steps from the module,
**                 required here, lead to. A step is a field, an item (positive), an upvalue (negative) or
**                 true, a metatable. Check is "", or 8 bytes that say what must be there (hash of the
**                 file's code; of the function's; of library and place in it), then the end of a path
**     4 OBJECT    class, decode function, plain value: a value of a registered class. A class of that
**                 name registered here is decoded by its own function
**     5 TEXT      "a.b.c": the longest prefix that can be required, then fields; without a dot a
**                 module that is a function, else a global
**     6 CLASS     class, table or note: a registered metatable; the one registered here under that
**                 name, if there is one, stands for the table that came
**     7 NOTE      text: why this could not travel; only for globals and in CLASS
**     8 SOURCE    text: the chunk of this Lua source, never bytecode
**     9 SAME      name, value: what is here under that name if it is the same, else the value
**    10 CHANGED   value, then table or library's name, path, value ...: the first item; the fields behind it
**                 are set for this call, when all is read, and put back after it
**    11 STANDARD  "string.format": what a new Lua state has there
**    12 SHARED    id: a value that was stored (in calls only); what a worker makes of it it keeps until it is gone
**    13 ENVIRONMENT  as TABLE, for one that is a call environment, too: its number times 2^24 is added to n
**    14 KEPT      table, then table, value ...: the first one, which stands for it as a key of the tables behind it. Where
**                 the value stayed at home, there is a text in place of the table
**
** Objects are tables, Lua functions, values of operation 4, and a note in 6. Their ordinals count, from
** 0, in the order in which they start, through function segment and argument segment of a call;
** what goes by name has none. The marks of an argument segment may be ordinals of the function
** segment.
**
** Call environments. The globals that a function reads and never assigns travel as pairs behind its upvalues;
** Lua's own only when they were replaced. A number in front says which environment (wire.h). The decoder drops
** those that its process has, but for those that the environment's table itself held; for the rest it makes
** one table for each number, whose other reads go to the real globals, its writes, too, unless it is to
** keep them, and which takes the place of _ENV in the functions of that number, for this call alone. Segments in
** which this occurs have bit 31 of the number of marks set. Different numbers are different tables in the sender.
**
** WHAT GOES BY NAME: names.c has the rule. Its index of package.loaded is made anew when something turns up that
** has no name, or a module was loaded, and package.loaded has changed.
**
** LIMITS
**
** 1,000 levels of nesting: tables, functions and objects, on both sides. 4 GiB for a string or a
** segment. Containers cannot declare more items than the segment has bytes. Bytecode is loaded only
** through lua_load with mode "b", after its hash was compared and Lua's own check of the version;
** that keeps accidents out, not forgers: messages are to come only from this pool's processes.
*/
#ifndef TINE_CODEC_CODEC_H
#define TINE_CODEC_CODEC_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "base/buf.h"
#include "msg/origin.h"

/* How functions reach the other side once: given by who knows the transport (store/store.h). Every
** member may be NULL: code then travels inline. Called in the thread that owns the state; only `keep` may
** raise, and only memory errors. */
struct codec_store {
    /* Store the function (code->bytes NULL: it goes by name, and has an origin only); the codec holds it until it
    ** drops it. NULL: out of memory. */
    const struct codec_stored *(*put)(void *ctx, const struct codec_code *code,
                                      const struct codec_origin *origin);
    void (*drop)(void *ctx, const struct codec_stored *stored);
    /* The message that is being written into `out` names a function that the codec holds: it must be there as
    ** long as the message may be read. The first one named is the function that is called. 0, TINE_ENOMEM. */
    int (*hold)(void *ctx, struct buf *out, const struct codec_stored *stored);
    /* A copy of the origin for the labels of what is being sent, which may outlive the message by far. It is
    ** asked for again when *age (not NULL if `keep` is not) has changed. NULL: no memory. */
    const struct codec_origin *(*keep)(void *ctx, lua_State *L, const struct codec_origin *origin);
    const uint32_t *age;
    /* Of an id in a message that is just being read: its code. False when there is none. */
    bool (*get)(void *ctx, uint64_t id, struct codec_code *out);
    /* Changes when a shared value is gone, of which `get` then gives none. NULL: values are not kept. */
    uint32_t (*gone)(void *ctx);
    void *ctx;
};

struct codec_options {
    struct codec_store store;
    bool send_globals; /* false: globals = "none" */
};

struct codec;

/* What a value that is sent once (pool:share) is for who shares it: a userdata that begins with this and has the
** metatable that is in the registry as CODEC_SHARED. */
#define CODEC_SHARED "tine.shared"
struct codec_shared {
    const struct codec *codec;         /* whose calls may name it */
    const struct codec_stored *stored; /* NULL: it was closed */
};

/* Push a userdata that owns a new codec (its __gc frees it) and give the codec, valid while the
** userdata is anchored by the caller. Raises only memory errors. */
struct codec *tine__codec_new(lua_State *L, const struct codec_options *options);
/* It is told otherwise than by its options. */
void tine__codec_send_globals(struct codec *c, bool send);

/* Look at what is loaded now, before something is sent that asks for it: for a process that forks others. Raises memory
** errors. */
void tine__codec_learn(lua_State *L, struct codec *c);

/* Encode the function at stack index `fn` as a function segment appended to `out`: a Lua function, a
** callable table, a C function with a name, or a string "a.b.c" (api.md, `pool:submit`). Starts a
** new message. *origin is set when not NULL, also when the encoding fails and it is known.
** 0, or TINE_ESERIALIZE / TINE_ENOMEM / TINE_EINVALID (it names a value that was shared and is closed) with the message
** (a string) pushed and `out` as it was. May
** raise memory errors (what is then in `out` behind its old length is to be cut off); nothing else
** raises, metamethods and registered encoders run protected. */
int tine__encode_function(lua_State *L, struct codec *c, int fn, struct buf *out,
                          const struct codec_origin **origin);

/* For labels: the name of a global that is the function at `fn`, which has the text; or "function". Raises memory
** errors. */
const char *tine__global_name(lua_State *L, int fn);

/* The largest of what the function that was encoded last brings along, if that has CODEC_LOAD_LEAST bytes; else `bytes` is 0.
** Good until the next one is encoded. */
#define CODEC_LOAD_LEAST (64u << 10)
struct codec_load {
    char name[64]; /* of the upvalue, or of the global */
    bool global;
    size_t bytes;
};
const struct codec_load *tine__codec_load(const struct codec *c);

/* Append an argument segment with the `n` values from stack index `first` on, for the function
** encoded last with this codec, by whomever: between the two no other code that may submit must run,
** an iterator say. May be called again and again for the same function (the calls of a chunk).
** Result as above; on failure `out` is as it was and the function segment is still good. */
int tine__encode_arguments(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* Append a result segment with the value at `idx`, which a call is given in place of one of its arguments: it may name what
** arguments may (tine__decode_given reads it). On failure as above. */
int tine__encode_given(lua_State *L, struct codec *c, int idx, struct buf *out);

/* Append a result segment with `n` values. On failure as above. */
int tine__encode_values(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* The same for a value that is shared, at `idx`: what its functions need is stored, as for a call. */
int tine__encode_shared(lua_State *L, struct codec *c, int idx, struct buf *out);
/* Push the value of such a segment. Raises likewise. */
void tine__decode_shared(lua_State *L, struct codec *c, const char *p, size_t len);

/* The same for an error: the error value, its traceback and so on. */
int tine__encode_error(lua_State *L, struct codec *c, int first, int n, struct buf *out);

/* The same for values that are nil, booleans, numbers or strings, without a codec: it never raises and
** allocates nothing in Lua, so it needs no protected call. False, and nothing appended: some value is none
** of these, or there is no memory. */
bool tine__encode_scalars(lua_State *L, int first, int n, struct buf *out);

/* Decode one call: push the function and then its arguments, and give the number of arguments. Each
** call of it makes fresh functions, upvalues and tables, but for functions without state
** (simple.c), which are the ones of an earlier call. Raises an error (a string that says what is
** wrong: bad bytes, a module that cannot be required ...): call it protected. Requires modules, runs
** decode functions of classes. */
int tine__decode_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                      const char *args, size_t args_len);

/* Do the calls that are decoded from now on prepare this process for others, as an initializer does? What they set in modules
** is to last, so that settings that the sender has there stay away. */
void tine__decode_prepares(struct codec *c, bool prepares);

/* Another message with calls begins: where its function lies there may have been another one. */
void tine__decode_begin(struct codec *c);

/* The same for what most calls are, without a protected call: a function without state that was called
** before, and arguments that are nil, booleans or numbers. -1, and nothing pushed: it is another one.
** `again`: it is not the first call of its message, all of which have the bytes at `fn`. */
int tine__decode_plain_call(lua_State *L, struct codec *c, const char *fn, size_t fn_len,
                            bool again, const char *args, size_t args_len);

/* Decode a result segment: push its values, give their number. Raises likewise. */
int tine__decode_values(lua_State *L, struct codec *c, const char *p, size_t len);
/* The same of what a call is given in place of an argument, after tine__decode_call: it may name what calls name. */
int tine__decode_given(lua_State *L, struct codec *c, const char *p, size_t len);
/* The same for an error: what it names and this process has not is nil. */
int tine__decode_error(lua_State *L, struct codec *c, const char *p, size_t len);
/* The same for a few values (arguments, too) that are nil, booleans, numbers or, if `strings` allows
** them, strings. -1, and nothing pushed: there are others, or it is damaged. Without strings it allocates
** nothing and never raises. For SCALARS_FIT of them there must be room on the stack. */
#define SCALARS_FIT 4
int tine__decode_scalars(lua_State *L, const char *p, size_t len, bool strings);

/* A call has ended, and its results are encoded: put back what it had changed in modules. Never raises. */
void tine__codec_restore(lua_State *L, struct codec *c);

/* Another call is going to be decoded and run in the midst of the one that runs: what that has changed stays, and is put
** aside on the stack (2 values); and taken back from index `at`. The first raises memory errors. */
struct codec_aside {
    uint32_t changed;
    bool held;
};
void tine__codec_put_aside(lua_State *L, struct codec *c, struct codec_aside *aside);
void tine__codec_take_back(lua_State *L, struct codec *c, const struct codec_aside *aside, int at);

/* Is the value at `idx` the `require` of Lua's own? */
bool tine__is_require(lua_State *L, int idx);

/* After a task failed with the traceback at the top of the stack: append to it, when the error came
** from a nil global that the submitter has and that did not travel, what happened and how to mend
** it. Worker only; never raises anything but memory errors. */
void tine__codec_explain(lua_State *L, struct codec *c, const char *message);

/* tine.register(name, metatable, encode, decode): arguments at 1..4. Shared by all codecs of L.
** Raises argument errors and clashes. */
int tine__codec_register(lua_State *L);

#endif
