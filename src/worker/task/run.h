/* Run: one call in a Lua state: decode, call, encode what came out.
**
** The function is called from C with nothing around it: no Lua or C function, no coroutine. So a task sees
** itself as a program does: coroutine.running() is the main one, a traceback ends with the task.
*/
#ifndef TINE_WORKER_TASK_RUN_H
#define TINE_WORKER_TASK_RUN_H

#include <lua.h>
#include "base/buf.h"
#include "codec/codec.h"
#include "ipc/heap.h"
#include "ipc/link.h"

/* Where the codes of functions are that calls name. */
struct run_code {
    struct heap *calls;
    /* Of the call at hand, when it came from another machine: struct call_far_name, not aligned. */
    const char *names;
    uint32_t nnames;
};

struct run {
    lua_State *L;
    struct codec *codec;   /* anchored in the registry, */
    struct run_code *code; /* and so is this; NULL: no code can be named */
};

/* One call: a function segment and an argument segment. */
struct run_call {
    const char *function;
    size_t function_len;
    bool again; /* the same call has had another task before */
    const char *arguments;
    size_t arguments_len;
    const char *names; /* as in struct run_code */
    uint32_t nnames;
    uint64_t memory;   /* bytes that it may add to the state, 0: no limit */
    bool quiet;        /* nobody wants its results */
    const char *given; /* results in place of arguments (pool/needs.h) */
    size_t given_len;
};

/* Prepare a state whose stack is empty. 0, or TINE_ENOMEM. */
int tine__run_open(struct run *r, lua_State *L, const struct codec_options *options);

/* Another one for the same state and codec, on the thread `L`, whose stack is empty but for what this has left there before. */
void tine__run_on(struct run *r, lua_State *L, const struct run *below);

/* Run a call and write its result into `out`, which is empty: RECORD_VALUES or RECORD_ERROR (a result
** segment), RECORD_REFUSED (text: the call or its result cannot travel), or RECORD_MEMORY. */
enum record_kind tine__run(struct run *r, const struct run_call *call, struct buf *out);

/* Call a C function without arguments and results; its error is written as RECORD_ERROR. 0, or
** TINE_ETASK when it raised one. */
int tine__run_c(struct run *r, lua_CFunction f, void *arg, struct buf *out);

/* Where no plain text can be said (RECORD_FAILED): make the text in `out` an error segment. */
void tine__run_text(struct run *r, struct buf *out);
/* Make the error segment in `out` one of texts of at most `most` bytes each. */
void tine__run_shorten(struct run *r, struct buf *out, size_t most);

#endif
