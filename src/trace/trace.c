#include "trace/trace.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/error.h"
#include "base/sys.h"
#include "trace/file.h"

struct trace {
    struct trace_file *file;
    bool ended;
    struct stream stream;
};

/* --- names --- */

static bool has_process(const char *file) {
    const char *p = file;
    while ((p = strchr(p, '%')) != NULL) {
        if (p[1] == 'p')
            return true;
        p += p[1] ? 2 : 1;
    }
    return false;
}

/* Append the name with %p, %n and %% replaced; any other % stays. 0 or TINE_ENOMEM. */
static int expand(struct buf *out, const char *file, unsigned n) {
    char number[16];
    int err = 0;
    for (const char *p = file; *p && !err; p++) {
        int kind = *p == '%' ? p[1] : 0;
        if (kind == 'p' || kind == 'n') {
            int length =
                snprintf(number, sizeof number, "%u", kind == 'p' ? (unsigned)getpid() : n);
            err = buf_append(out, number, (size_t)length);
        } else {
            err = buf_append(out, p, 1);
        }
        p += kind == 'p' || kind == 'n' || kind == '%';
    }
    return err ? err : buf_append(out, "", 1);
}

/* --- opening --- */

static atomic_uint pools; /* number of pools that this process has opened */

static int open_stream(struct trace *t, const char *file, unsigned n, const char *pool) {
    struct buf name;
    int err = tine__blocks_init(&t->stream.blocks);
    if (err)
        return err;
    tine__buf_init(&name);
    list_init(&t->stream.node);
    tine__format_open(&t->stream.format, n, pool);
    err = expand(&name, file, n);
    if (!err)
        err = tine__file_join(&t->file, name.data, &t->stream);
    int saved = errno;
    tine__buf_free(&name);
    errno = saved;
    return err;
}

static void close_stream(struct trace *t) {
    tine__blocks_free(&t->stream.blocks);
    tine__format_close(&t->stream.format);
    free(t);
}

int tine__trace_open(struct trace **out, const char *file, const char *pool, bool inner) {
    unsigned n = atomic_fetch_add(&pools, 1) + 1;
    *out = NULL;
    if (!file || !*file || (inner && !has_process(file)))
        return 0;
    struct trace *t = sys.calloc(1, sizeof *t);
    if (!t)
        return TINE_ENOMEM;
    int err = open_stream(t, file, n, pool);
    if (err) {
        int saved = errno;
        close_stream(t);
        errno = saved;
        return err;
    }
    *out = t;
    return 0;
}

void tine__trace_end(struct trace *t) {
    if (!t->ended)
        tine__file_leave(t->file, &t->stream);
    t->ended = true;
}

void tine__trace_free(struct trace *t) {
    if (!t)
        return;
    tine__trace_end(t);
    close_stream(t);
}

/* --- telling --- */

/* Room for a record. If the writer is too far behind this thread writes, too. NULL: no memory, or
** writing has failed. */
static void *begin(struct trace *t, enum trace_kind kind, uint32_t size) {
    struct trace_record *r;
    size = TRACE_ROOM(size);
    if (tine__file_error(t->file))
        return NULL;
    r = tine__blocks_room(&t->stream.blocks, size);
    if (!r) {
        tine__file_drain(t->file);
        r = tine__blocks_room(&t->stream.blocks, size);
    }
    if (r)
        *r = (struct trace_record){.size = size, .kind = (uint8_t)kind};
    return r;
}

static void end(struct trace *t, const struct trace_record *r) {
    tine__blocks_put(&t->stream.blocks, r->size);
    tine__file_ring(t->file, blocks_pressed(&t->stream.blocks));
}

static uint16_t cut(size_t length, size_t most) {
    return (uint16_t)(length < most ? length : most);
}

/* Set the lengths of the texts of the record. */
static void measure(struct task_record *r, const struct trace_task *task) {
    const struct task_name *name = task->name;
    const struct codec_origin *o = name->label ? NULL : name->origin;
    r->head.labelled = name->label != NULL;
    r->head.named = o && o->name;
    r->label = name->label ? cut(name->label_len, TRACE_LABEL) : 0;
    r->name = r->head.named ? cut(strlen(o->name), TRACE_NAME) : 0;
    r->source = r->head.named && o->source ? cut(strlen(o->source), TRACE_NAME) : 0;
    r->line = r->head.named ? (uint32_t)o->line : 0;
    r->error = cut(task->error_len, TRACE_ERROR);
}

static char *put(char *at, const char *text, size_t length) {
    if (length)
        memcpy(at, text, length);
    return at + length;
}

void tine__trace_task(struct trace *t, const struct trace_task *task) {
    struct task_record m = {.id = task->name->id + task->k,
                            .index = task->name->index ? task->name->index + task->k : 0,
                            .parent = task->parent,
                            .submitted = task->submitted,
                            .started = task->started,
                            .ended = task->ended,
                            .before_at = task->before_at,
                            .before = (uint16_t)task->before,
                            .attempt = task->attempt,
                            .worker = (uint16_t)task->worker};
    measure(&m, task);
    uint32_t size = (uint32_t)sizeof m + m.label + m.name + m.source + m.error;
    struct task_record *r = begin(t, TRACE_TASK, size);
    if (!r)
        return;
    m.head.size = r->head.size;
    m.head.kind = r->head.kind;
    m.head.code = (int8_t)task->code;
    *r = m;
    const struct codec_origin *o = task->name->origin;
    char *at = put((char *)(r + 1), task->name->label, m.label);
    at = put(at, m.name ? o->name : NULL, m.name);
    at = put(at, m.source ? o->source : NULL, m.source);
    put(at, task->error, m.error);
    end(t, &r->head);
}

void tine__trace_ready(struct trace *t, unsigned worker, int pid, uint64_t since, uint64_t ready) {
    struct ready_record *r = begin(t, TRACE_READY, sizeof *r);
    if (!r)
        return;
    r->since = since;
    r->ready = ready;
    r->worker = worker;
    r->pid = pid;
    end(t, &r->head);
}

void tine__trace_exit(struct trace *t, const struct worker_exit *x, uint64_t now) {
    struct exit_record *r = begin(t, TRACE_EXIT, sizeof *r);
    if (!r)
        return;
    r->at = now;
    r->exit = *x;
    end(t, &r->head);
}

void tine__trace_place(struct trace *t, unsigned worker, const char *host, unsigned number) {
    uint32_t length = cut(strlen(host), TRACE_PLACE_NAME);
    struct place_record *r = begin(t, TRACE_PLACE, (uint32_t)sizeof *r + length);
    if (!r)
        return;
    r->worker = worker;
    r->number = number;
    r->length = length;
    put((char *)(r + 1), host, length);
    end(t, &r->head);
}

void tine__trace_stopped(struct trace *t, const char *message, uint64_t now) {
    uint32_t length = cut(strlen(message), TRACE_ERROR);
    struct stopped_record *r = begin(t, TRACE_STOPPED, (uint32_t)sizeof *r + length);
    if (!r)
        return;
    r->at = now;
    r->length = length;
    put((char *)(r + 1), message, length);
    end(t, &r->head);
}

void tine__trace_count(struct trace *t, const struct trace_counts *counts) {
    struct counts_record *r = begin(t, TRACE_COUNTS, sizeof *r);
    if (!r)
        return;
    r->counts = *counts;
    end(t, &r->head);
}

/* --- trouble --- */

char *tine__trace_trouble(struct trace *t) {
    int error = tine__file_error(t->file);
    if (!error || !tine__file_tell(t->file))
        return NULL;
    const char *name = tine__file_name(t->file), *why = strerror(error);
    size_t size = strlen(name) + strlen(why) + 80;
    char *text = sys.malloc(size);
    if (text)
        snprintf(text, size, "tine: the trace '%s' ends here, the program goes on: %s", name, why);
    return text;
}
