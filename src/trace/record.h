/* Records: what a pool tells its trace, as it lies in memory until it is written. Texts follow behind a record, without
** a NUL. */
#ifndef TINE_TRACE_RECORD_H
#define TINE_TRACE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include "msg/parting.h"
#include "trace/trace.h"

#define TRACE_ROOM(size) (((size) + 7u) & ~7u) /* records are aligned */
#define TRACE_LABEL 16384u                     /* bytes of a label; what is longer is cut, */
#define TRACE_NAME 1024u                       /* and of a function's name, its source, */
#define TRACE_PLACE_NAME 127u                  /* of a host's name, */
#define TRACE_ERROR 1024u                      /* and a message */

enum trace_kind { TRACE_TASK, TRACE_READY, TRACE_EXIT, TRACE_STOPPED, TRACE_COUNTS, TRACE_PLACE };

struct trace_record {
    uint32_t size;        /* with the texts */
    uint8_t kind;         /* enum trace_kind */
    bool labelled, named; /* TASK: its label was given; the function has an origin */
    int8_t code;
};

struct task_record {
    struct trace_record head;
    uint64_t id, index, parent, submitted, started, ended, before_at;
    uint32_t attempt, line;
    uint16_t worker, before;
    /* Bytes of the texts, in this order; label, or name and source. */
    uint16_t label, name, source, error;
};

struct ready_record {
    struct trace_record head;
    uint64_t since, ready;
    uint32_t worker;
    int pid;
};

struct exit_record {
    struct trace_record head;
    uint64_t at;
    struct worker_exit exit;
};

struct place_record {
    struct trace_record head;
    uint32_t worker, number;
    uint32_t length; /* of the host's name */
};

struct stopped_record {
    struct trace_record head;
    uint64_t at;
    uint32_t length;
};

struct counts_record {
    struct trace_record head;
    struct trace_counts counts;
};

#endif
