/* Boot: what a fork server and its workers must know of their pool, as one block of bytes (in the call heap): a header
** with numbers, then strings named by offset. Written once by the submitter.
*/
#ifndef TINE_WORKER_BOOT_H
#define TINE_WORKER_BOOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "worker/process/inherit.h"

struct lua_State;

/* Prepares a worker's state for a host program; 0, or it leaves an error message on the stack. */
typedef int (*boot_hook)(struct lua_State *L, void *arg);

/* What the submitter says. Pointers are borrowed for the call of tine__boot_write. */
struct boot {
    char *memory;             /* of what was read; else NULL */
    const char *name;         /* of the pool: process titles, messages */
    const char *path, *cpath; /* package.path, package.cpath; NULL: Lua's own */
    char *const *environ;     /* the submitter's environment as of now */
    struct inherit inherit;   /* of one that was read */
    const char *const *arg;   /* the program's `arg` as a list (state/arg.h); NULL: it has none */
    const char *locale;       /* setlocale(LC_ALL, NULL) */
    bool warnings;            /* on */
    /* calls as ipc/queue.h has them: function segment, then `count` argument segments; NULL: none */
    const char *preload;
    size_t preload_len, preload_function;
    uint32_t preload_count;
    const char *initializer;
    size_t initializer_len, initializer_function;
    const char *finalizer;
    size_t finalizer_len, finalizer_function;
    uint64_t spin;         /* ns */
    uint64_t max_tasks;    /* 0: no limit */
    uint64_t max_memory;   /* resident bytes after which a worker leaves, 0: no limit */
    uint64_t idle;         /* ns after which a worker says that it is idle, 0: never */
    uint64_t event_buffer; /* events of a task that nobody has read, at most */
    bool send_globals;
    boot_hook hook; /* "fork": a function of the program */
    void *hook_arg;
    const char *hook_name; /* "spawn": "lib.so:symbol" */
};

/* Write it, with what workers inherit; NULL: nothing. `out` is open. 0, TINE_ENOMEM. */
int tine__boot_write(struct buf *out, const struct boot *boot, const struct inherit *inherit);
/* Read it in the fork server, which keeps a copy for good. 0, TINE_ESYSTEM (it is damaged: EINVAL), TINE_ENOMEM. */
int tine__boot_read(struct boot *out, const void *bytes, size_t size);
/* A copy that owns its memory, and inherits nothing. 0, TINE_ENOMEM. */
int tine__boot_copy(struct boot *out, const struct boot *boot);
/* Give back what was allocated for what was read, or copied. */
void tine__boot_free(struct boot *boot);

/* How deep this process is in pools: 0 in a program, 1 in the workers (and the fork server) of its pools, and so on. */
unsigned tine__boot_depth(void);

#endif
