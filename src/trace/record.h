/* Records: what a pool tells its trace, as it lies in memory until it is written. The texts of a
** record follow it, without a NUL. */
#ifndef TINE_TRACE_RECORD_H
#define TINE_TRACE_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include "msg/parting.h"
#include "trace/trace.h"

#define TRACE_ROOM(size) (((size) + 7u) & ~7u) /* records are aligned */
/* Limits in bytes; longer texts are cut. */
#define TRACE_LABEL 16384u    /* a label */
#define TRACE_NAME 1024u      /* the name of a function, its source */
#define TRACE_PLACE_NAME 127u /* the name of a host */
#define TRACE_ERROR 1024u     /* a message */

enum trace_kind { TRACE_TASK, TRACE_READY, TRACE_EXIT, TRACE_STOPPED, TRACE_COUNTS, TRACE_PLACE };

struct trace_record {
    uint32_t size;        /* with the texts */
    uint8_t kind;         /* enum trace_kind */
    bool labelled, named; /* TASK: the user gave a label; the origin of the function is known */
    int8_t code;
};

struct task_record {
    struct trace_record head;
    uint64_t id, index, parent, submitted, started, ended, before_at;
    uint32_t attempt, line;
    uint16_t worker, before;
    /* Bytes of the texts, in this order. There is a label, or name and source. */
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
