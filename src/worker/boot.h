/* Boot: what a fork server and its workers must know about their pool, as one block of bytes in the
** call heap: a header with numbers, then strings named by offset. Written once by the submitter,
** which never changes it.
*/
#ifndef TINE_WORKER_BOOT_H
#define TINE_WORKER_BOOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/buf.h"
#include "worker/process/inherit.h"

struct lua_State;

/* Prepares a worker's state for a host program. 0, or an error message is left on the stack. */
typedef int (*boot_hook)(struct lua_State *L, void *arg);

/* The content of a boot block. For tine__boot_write all pointers are borrowed. */
struct boot {
    char *memory;             /* the memory of a block that was read or copied; else NULL */
    const char *name;         /* of the pool: for process titles and messages */
    const char *path, *cpath; /* package.path, package.cpath; NULL: Lua's own */
    char *const *environ;     /* the submitter's environment at this time */
    struct inherit inherit;   /* in a block that was read */
    const char *const *arg;   /* the program's `arg` as a list (state/arg.h); NULL: it has none */
    const char *locale;       /* setlocale(LC_ALL, NULL) */
    bool warnings;            /* on */
    /* calls as in ipc/queue.h: function segment, then `count` argument segments; NULL: none */
    const char *preload;
    size_t preload_len, preload_function;
    uint32_t preload_count;
    const char *initializer;
    size_t initializer_len, initializer_function;
    const char *finalizer;
    size_t finalizer_len, finalizer_function;
    uint64_t spin;         /* ns */
    uint64_t max_tasks;    /* 0: no limit */
    uint64_t max_memory;   /* resident bytes above which a worker leaves; 0: no limit */
    uint64_t idle;         /* ns after which a worker says that it is idle, 0: never */
    uint64_t event_buffer; /* most events of a task that nobody has read yet */
    bool send_globals;
    boot_hook hook; /* "fork": address of a function of the program */
    void *hook_arg;
    const char *hook_name; /* "spawn": "lib.so:symbol" */
};

/* Append a boot block to `out`, with what workers inherit; NULL: nothing. 0 or TINE_ENOMEM. */
int tine__boot_write(struct buf *out, const struct boot *boot, const struct inherit *inherit);
/* Read a boot block in the fork server, which keeps its own copy for good. 0, TINE_ESYSTEM (EINVAL:
** damaged), TINE_ENOMEM. */
int tine__boot_read(struct boot *out, const void *bytes, size_t size);
/* Copy it into memory of its own; what is inherited is not copied. 0 or TINE_ENOMEM. */
int tine__boot_copy(struct boot *out, const struct boot *boot);
/* Free what was read or copied. */
void tine__boot_free(struct boot *boot);

/* The nesting depth of this process: 0 in a program, 1 in the fork server and the workers of its
** pools, and so on. */
unsigned tine__boot_depth(void);

#endif
