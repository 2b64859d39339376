/* Parting: why a worker ends. */
#ifndef TINE_MSG_PARTING_H
#define TINE_MSG_PARTING_H

#include <stdbool.h>
#include <stdint.h>

enum parting {
    PART_NONE,
    PART_TASKS,  /* max_tasks_per_worker is reached; decided by the worker itself */
    PART_MEMORY, /* it has grown too large; decided by the worker itself */
    PART_IDLE,   /* from here on decided by the scheduler */
    PART_AGE,
    PART_RESIZE, /* the pool has too many workers */
    PART_SHUTDOWN,
    PART_TIMEOUT, /* killed with the task that it was running */
    PART_CANCELLED,
    PART_CRASH,
    PART_INITIALIZER,
    PART_KILLED, /* killed with its pool */
    PART_COUNT
};

/* The name that users see. */
const char *tine__parting_name(enum parting why);

/* The end of a worker, as told to the owner of its pool. */
struct worker_exit {
    unsigned worker;
    int pid;
    enum parting why;
    bool has_status;
    int status;      /* as waitpid gives it */
    uint64_t tasks;  /* tasks that it answered */
    uint64_t lasted; /* ns */
};

#endif
