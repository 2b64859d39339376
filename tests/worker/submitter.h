/* The submitter's part, played by hand: what the backend floor does, with nothing in between, so that a
** test can look at each message and record, and can behave badly. All functions abort on failures that
** no test is about.
*/
#ifndef TESTS_WORKER_SUBMITTER_H
#define TESTS_WORKER_SUBMITTER_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "ipc/heap.h"
#include "ipc/link.h"
#include "ipc/queue.h"
#include "codec/codec.h"
#include "worker/boot.h"
#include "worker/protocol.h"

#define MAX_WORKERS 64

#define CHECK(condition) \
    do { \
        if (!(condition)) \
            fail_check(__FILE__, __LINE__, #condition); \
    } while (0)
_Noreturn void fail_check(const char *file, int line, const char *text);

struct submitter {
    struct queue queue;
    struct shm directory;
    struct heap *heap;
    struct store *store; /* on the heap */
    int control, bell, wakeup;
    struct arena *arena;
    uint32_t seat; /* the fork server's in it */
    struct link links[MAX_WORKERS];
    pid_t pids[MAX_WORKERS];
    lua_State *L;
    struct codec *codec;
    uint64_t next; /* task id */
    pid_t server;
    int living; /* workers */
    int gone;   /* wait status of the fork server, when it has ended */
};

/* What a pool is opened with; zeros are fine. */
struct setup {
    const char *preload, *initializer; /* Lua source of a function */
    const char *initarg;
    uint64_t max_tasks;
    bool spawn;
    int stdout_fd; /* 0: ours */
    boot_hook hook;
    void *hook_arg;
    const char *hook_name;
    char *const *environ;
};

void submitter_open(struct submitter *s, const struct setup *setup);
/* Wait for the next message of the fork server; false: end of file. */
bool submitter_hear(struct submitter *s, struct message *m);
/* The same with what follows its head: MESSAGE_MAX bytes at most. */
bool submitter_hear_bytes(struct submitter *s, struct message *m, char *bytes, size_t *len);
/* The same, and it must be of this kind. */
struct message submitter_expect(struct submitter *s, enum message_kind kind);
void submitter_up(struct submitter *s);
/* Ask for worker `id` and wait for STARTED. */
void submitter_start(struct submitter *s, unsigned id);
void submitter_kill(struct submitter *s, unsigned id, int signal);
/* Queue `count` calls of a function (Lua source of an expression) with one string argument each. The first
** id. */
uint64_t submitter_put(struct submitter *s, const char *function, uint32_t count,
                       const char *const *arguments);
uint64_t submitter_put1(struct submitter *s, const char *function, const char *argument);
/* Wait for the next record of worker `id` and push its values: VALUES and ERROR as they are, else a text. */
struct record submitter_record(struct submitter *s, unsigned id);
/* The same, checked, with the first value as text (valid until the next). */
const char *submitter_value(struct submitter *s, unsigned id, enum record_kind kind);
/* Shut the queue, let the workers end in good order, and wait until all is over. */
void submitter_close(struct submitter *s);
/* Only give everything back that is ours. */
void submitter_drop(struct submitter *s);

/* Wait until a process is gone (it is no child of ours). */
void await_gone(pid_t pid);
bool is_alive(pid_t pid);

#endif
