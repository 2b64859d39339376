/* Run: one call in a Lua state: decode, call, encode the result.
**
** The function is called from C with nothing around it: no Lua or C function, no coroutine. So a
** task sees itself as a program does: coroutine.running() is the main thread, and a traceback ends
** with the task. A run is used by the thread that uses its state.
*/
#ifndef TINE_WORKER_TASK_RUN_H
#define TINE_WORKER_TASK_RUN_H

#include <lua.h>
#include "base/buf.h"
#include "codec/codec.h"
#include "ipc/heap.h"
#include "ipc/link.h"

/* Where the codec finds the functions that calls name. */
struct run_code {
    struct heap *calls;
    /* Names of the current call if it came from another machine: struct call_far_name,
    ** unaligned. */
    const char *names;
    uint32_t nnames;
};

struct run {
    lua_State *L;
    struct codec *codec;   /* anchored in the registry */
    struct run_code *code; /* likewise; NULL: calls cannot name functions */
    /* The buffer for answers is being written: a result, or a call that the task submits. An encode
    ** function, which runs meanwhile, must not have it used for anything else. */
    bool encoding;
};

/* One task: a function segment and an argument segment. */
struct run_call {
    const char *function;
    size_t function_len;
    bool again; /* not the first task of its call */
    const char *arguments;
    size_t arguments_len;
    const char *names; /* as in struct run_code */
    uint32_t nnames;
    uint64_t memory;   /* bytes that it may add to the state; 0: no limit */
    bool quiet;        /* it prepares the state: nobody wants its results */
    const char *given; /* results that replace arguments (pool/needs.h) */
    size_t given_len;
};

/* Prepare a state with an empty stack. 0 or TINE_ENOMEM. */
int tine__run_open(struct run *r, lua_State *L, const struct codec_options *options);

/* Make another run with the same codec on the thread `L`, whose stack has nothing on it but what an
** earlier such run left. */
void tine__run_on(struct run *r, lua_State *L, const struct run *below);

/* Run a task and write its result into `out`, which is empty: RECORD_VALUES or
** RECORD_ERROR (a result segment), RECORD_REFUSED (text: the call or its result cannot be
** serialized), or RECORD_MEMORY. */
enum record_kind tine__run(struct run *r, const struct run_call *call, struct buf *out);

/* Call a C function with `arg` and without results; an error is written as RECORD_ERROR. 0, or
** TINE_ETASK when it raised one. */
int tine__run_c(struct run *r, lua_CFunction f, void *arg, struct buf *out);

/* Turn the text in `out` into an error segment, where only that can be sent (RECORD_FAILED). */
void tine__run_text(struct run *r, struct buf *out);
/* Shorten the error segment in `out` to texts of at most `most` bytes each. */
void tine__run_shorten(struct run *r, struct buf *out, size_t most);

#endif
