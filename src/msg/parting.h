/* Parting: why a worker ends. */
#ifndef TINE_MSG_PARTING_H
#define TINE_MSG_PARTING_H

#include <stdbool.h>
#include <stdint.h>

enum parting {
    PART_NONE,
    PART_TASKS,  /* it has run as many as it may (max_tasks_per_worker); it says so itself, */
    PART_MEMORY, /* and so it does when it has grown too large */
    PART_IDLE,   /* these the scheduler has decided */
    PART_AGE,
    PART_RESIZE, /* there are too many */
    PART_SHUTDOWN,
    PART_TIMEOUT, /* with the task that it was running */
    PART_CANCELLED,
    PART_CRASH,
    PART_INITIALIZER,
    PART_KILLED, /* with its pool */
    PART_COUNT
};

/* As users are told. */
const char *tine__parting_name(enum parting why);

/* The end of a worker, as its pool's owner is told. */
struct worker_exit {
    unsigned worker;
    int pid;
    enum parting why;
    bool has_status;
    int status;      /* as waitpid gives it */
    uint64_t tasks;  /* answered */
    uint64_t lasted; /* ns */
};

#endif
