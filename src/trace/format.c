#include "trace/format.h"

#include <assert.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/error.h"
#include "trace/json.h"

#define EVENT 1000u         /* bytes of an event without its texts, at most */
#define GAP 100000u         /* ns: waits that are closer to each other are put as one */
#define WAIT_MOST 50000000u /* ns: a wait that is longer is put before another one is added */

/* --- pieces --- */

/* Begin an event with so many bytes of texts: where to write it. NULL: no memory. */
static char *begin(struct formatter *f, size_t texts) {
    f->text.len = 0;
    return buf_reserve(&f->text, EVENT + JSON_STRETCH * texts) ? NULL : f->text.data;
}

static void end(struct formatter *f, char *p) {
    assert((size_t)(p - f->text.data) <= f->text.cap);
    f->put(f->arg, f->text.data, (size_t)(p - f->text.data));
}

static char *put_text(char *p, const char *text) {
    size_t n = strlen(text);
    return (char *)memcpy(p, text, n) + n;
}

static char *put_row(const struct formatter *f, char *p, uint64_t row) {
    memcpy(p, f->process, sizeof f->process);
    return tine__json_number(p + f->process_length, row);
}

static char *put_time(char *p, uint64_t ns) {
    p = JSON_PUT(p, ",\"ts\":");
    return tine__json_us(p, ns);
}

static char *put_span(char *p, uint64_t from, uint64_t to) {
    p = put_time(p, from);
    p = JSON_PUT(p, ",\"dur\":");
    return tine__json_us(p, to > from ? to - from : 0);
}

/* --- rows --- */

/* The row of a worker, or (0) of the queue. The queue has the number FORMAT_WORKERS, since viewers
** do not take 0 for a thread. */
static uint64_t row_of(const struct formatter *f, unsigned worker) {
    return f->base + (worker ? worker : FORMAT_WORKERS);
}

/* Begin a metadata event of a row, with so many bytes of texts in its "args", which follow. NULL: no
** memory. */
static char *begin_row(struct formatter *f, uint64_t row, const char *what, size_t texts) {
    char *p = begin(f, texts);
    if (!p)
        return NULL;
    p = JSON_PUT(p, "{\"name\":\"");
    p = put_text(p, what);
    p = JSON_PUT(p, "\",\"ph\":\"M\"");
    p = put_row(f, p, row);
    return JSON_PUT(p, ",\"args\":{");
}

static void put_row_name(struct formatter *f, uint64_t row, unsigned worker) {
    char *p = begin_row(f, row, "thread_name", 0);
    if (!p)
        return;
    p = JSON_PUT(p, "\"name\":\"");
    p = put_text(p, f->prefix);
    p = worker ? tine__json_number(JSON_PUT(p, "worker "), worker) : JSON_PUT(p, "queue");
    end(f, JSON_PUT(p, "\"}}"));
}

static void put_row_place(struct formatter *f, uint64_t row, unsigned worker) {
    char *p = begin_row(f, row, "thread_sort_index", 0);
    if (!p)
        return;
    p = JSON_PUT(p, "\"sort_index\":");
    p = tine__json_number(p, f->base + worker); /* the queue comes first */
    end(f, JSON_PUT(p, "}}"));
}

/* The row of a worker (0: the queue); it gets its name when it is used first. */
static uint64_t use_row(struct formatter *f, unsigned worker) {
    if (worker >= FORMAT_WORKERS)
        worker = FORMAT_WORKERS - 1;
    uint64_t row = row_of(f, worker), bit = (uint64_t)1 << worker % 64;
    if (!(f->named[worker / 64] & bit)) {
        f->named[worker / 64] |= bit;
        put_row_name(f, row, worker);
        put_row_place(f, row, worker);
    }
    return row;
}

/* Name the row of a worker on another machine, before its first task. */
static void put_place(struct formatter *f, const struct place_record *r) {
    if (r->worker >= FORMAT_WORKERS)
        return;
    char *p = begin_row(f, row_of(f, r->worker), "thread_name", r->length);
    if (!p)
        return;
    p = JSON_PUT(p, "\"name\":\"");
    p = put_text(p, f->prefix);
    p = tine__json_string(p, (const char *)(r + 1), r->length);
    p = tine__json_number(JSON_PUT(p, " worker "), r->number);
    end(f, JSON_PUT(p, "\"}}"));
    f->named[r->worker / 64] |= (uint64_t)1 << r->worker % 64;
    put_row_place(f, row_of(f, r->worker), r->worker);
}

void tine__format_open(struct formatter *f, unsigned n, const char *pool) {
    char name[sizeof f->prefix / JSON_STRETCH];
    tine__buf_init(&f->text);
    char *p = JSON_PUT(f->process, ",\"pid\":");
    p = JSON_PUT(tine__json_number(p, (uint64_t)getpid()), ",\"tid\":");
    f->process_length = (unsigned)(p - f->process);
    f->base = (uint64_t)(n - 1) * FORMAT_ROWS;
    memset(f->named, 0, sizeof f->named);
    memset(&f->wait, 0, sizeof f->wait);
    if (strcmp(pool, "tine") != 0)
        snprintf(name, sizeof name, "%.*s ", (int)sizeof name - 2, pool);
    else if (n > 1)
        snprintf(name, sizeof name, "pool %u ", n % 10000);
    else
        name[0] = '\0';
    *tine__json_string(f->prefix, name, strlen(name)) = '\0';
}

void tine__format_close(struct formatter *f) {
    tine__buf_free(&f->text);
}

static void put_program(struct formatter *f, const char *name) {
    char *p = begin(f, strlen(name));
    if (!p)
        return;
    p = JSON_PUT(p, "{\"name\":\"process_name\",\"ph\":\"M\"");
    p = put_row(f, p, row_of(f, 0));
    p = JSON_PUT(p, ",\"args\":{\"name\":\"");
    p = tine__json_string(p, name, strlen(name));
    p = JSON_PUT(p, "\"}}");
    end(f, p);
}

void tine__format_begin(struct formatter *f, const char *program) {
    if (program)
        put_program(f, program);
    use_row(f, 0);
}

/* --- waiting --- */

static void put_wait(struct formatter *f) {
    char *p = f->wait.n ? begin(f, 0) : NULL;
    f->wait.told = f->wait.to;
    if (p) {
        p = JSON_PUT(p, "{\"name\":\"waiting\",\"cat\":\"queue\",\"ph\":\"X\"");
        p = put_row(f, p, row_of(f, 0));
        p = put_span(p, f->wait.from, f->wait.to);
        p = JSON_PUT(p, ",\"args\":{\"tasks\":");
        p = tine__json_number(p, f->wait.n);
        p = JSON_PUT(p, ",\"longest\":");
        p = tine__json_seconds(p, f->wait.longest);
        p = JSON_PUT(p, "}}");
        end(f, p);
    }
    f->wait.n = 0;
}

/* A task has waited from `from` to `to`. Times that were put already are left out. */
static void add_wait(struct formatter *f, uint64_t from, uint64_t to) {
    uint64_t whole = to > from ? to - from : 0;
    if (f->wait.n && (from > f->wait.to + GAP || f->wait.to - f->wait.from > WAIT_MOST))
        put_wait(f);
    if (from < f->wait.told)
        from = f->wait.told;
    if (to <= from)
        return;
    if (!f->wait.n) {
        f->wait.from = from;
        f->wait.to = to;
        f->wait.longest = 0;
    }
    f->wait.from = from < f->wait.from ? from : f->wait.from;
    f->wait.to = to > f->wait.to ? to : f->wait.to;
    f->wait.longest = whole > f->wait.longest ? whole : f->wait.longest;
    f->wait.n++;
}

void tine__format_rest(struct formatter *f) {
    put_wait(f);
}

/* --- tasks --- */

/* A colour name that viewers know; NULL: the viewer's default, which depends on the event's
** name. */
static const char *colour_of(int code) {
    switch (code) {
    case 0:
        return NULL;
    case TINE_ECRASHED:
    case TINE_EBROKEN:
    case TINE_ELOST:
        return "terrible";
    case TINE_ETIMEOUT:
        return "yellow";
    case TINE_ECANCELLED:
        return "grey";
    default:
        return "bad";
    }
}

/* The label of a task, as in messages and futures. Returns its length. */
static size_t label_of(const struct task_record *r, const char *texts, char *out, size_t size) {
    char function[TRACE_NAME + 1], source[TRACE_NAME + 1];
    struct codec_origin origin = {function, source, (int)r->line};
    const struct task_name name = {.id = r->id,
                                   .index = r->index,
                                   .origin = r->head.named ? &origin : NULL,
                                   .label = r->head.labelled ? texts : NULL,
                                   .label_len = r->label};
    if (r->head.named) {
        memcpy(function, texts, r->name);
        function[r->name] = '\0';
        memcpy(source, texts + r->name, r->source);
        source[r->source] = '\0';
    }
    size_t n = tine__label(&name, 0, out, size);
    return n < size ? n : size - 1;
}

/* One end of the arrow from the attempt before to this one. */
static void put_arrow(struct formatter *f, const struct task_record *r, const char *head,
                      uint64_t row, uint64_t at) {
    char *p = begin(f, 0);
    if (!p)
        return;
    p = JSON_PUT(p, "{\"name\":\"retry\",\"cat\":\"retry\"");
    p = put_text(p, head);
    p = JSON_PUT(p, ",\"id\":\"");
    p = tine__json_number(p, f->base + r->id);
    p = JSON_PUT(p, ".");
    p = tine__json_number(p, r->attempt);
    p = JSON_PUT(p, "\"");
    p = put_row(f, p, row);
    p = put_time(p, at);
    p = JSON_PUT(p, "}");
    end(f, p);
}

static void put_arrows(struct formatter *f, const struct task_record *r) {
    if (!r->before_at || !r->worker)
        return;
    put_arrow(f, r, ",\"ph\":\"s\"", use_row(f, r->before), r->before_at);
    put_arrow(f, r, ",\"ph\":\"f\",\"bp\":\"e\"", use_row(f, r->worker), r->started);
}

static char *put_task_args(char *p, const struct task_record *r, const char *error) {
    uint64_t until = r->started ? r->started : r->ended;
    p = JSON_PUT(p, ",\"args\":{\"id\":");
    p = tine__json_number(p, r->id);
    p = JSON_PUT(p, ",\"attempt\":");
    p = tine__json_number(p, r->attempt);
    if (r->head.code == 0) {
        p = JSON_PUT(p, ",\"how\":\"finished\"");
    } else {
        p = JSON_PUT(p, ",\"how\":\"");
        p = put_text(p, error_kind_of(r->head.code));
        p = JSON_PUT(p, "\"");
    }
    if (r->attempt <= 1) {
        p = JSON_PUT(p, ",\"wait\":");
        p = tine__json_seconds(p, until > r->submitted ? until - r->submitted : 0);
    }
    if (r->parent)
        p = tine__json_number(JSON_PUT(p, ",\"parent\":"), r->parent);
    if (r->error > 0) {
        p = JSON_PUT(p, ",\"error\":\"");
        p = tine__json_string(p, error, r->error);
        p = JSON_PUT(p, "\"");
    }
    return JSON_PUT(p, "}}");
}

static void put_task(struct formatter *f, const struct task_record *r) {
    char label[TRACE_LABEL + 64];
    const char *texts = (const char *)(r + 1), *colour = colour_of(r->head.code);
    size_t n = label_of(r, texts, label, sizeof label);
    uint64_t row = use_row(f, r->worker);
    if (r->attempt <= 1 && r->started)
        add_wait(f, r->submitted, r->started);
    char *p = begin(f, n + r->error);
    if (!p)
        return;
    p = JSON_PUT(p, "{\"name\":\"");
    p = tine__json_string(p, label, n);
    p = JSON_PUT(p, "\",\"cat\":\"task\",\"ph\":\"X\"");
    p = put_row(f, p, row);
    p = put_span(p, r->started ? r->started : r->ended, r->ended);
    if (colour) {
        p = JSON_PUT(p, ",\"cname\":\"");
        p = put_text(p, colour);
        p = JSON_PUT(p, "\"");
    }
    end(f, put_task_args(p, r, texts + r->label + r->name + r->source));
    put_arrows(f, r);
}

/* --- workers and the pool --- */

static void put_ready(struct formatter *f, const struct ready_record *r) {
    uint64_t row = use_row(f, r->worker);
    char *p = begin(f, 0);
    if (!p)
        return;
    p = JSON_PUT(p, "{\"name\":\"start\",\"cat\":\"worker\",\"ph\":\"X\",\"cname\":\"startup\"");
    p = put_row(f, p, row);
    p = put_span(p, r->since, r->ready);
    p = JSON_PUT(p, ",\"args\":{\"worker\":");
    p = tine__json_number(p, r->worker);
    p = JSON_PUT(p, ",\"pid\":");
    p = tine__json_number(p, (uint64_t)r->pid);
    p = JSON_PUT(p, "}}");
    end(f, p);
}

static char *put_status(char *p, int status) {
    if (WIFSIGNALED(status))
        return tine__json_number(JSON_PUT(p, ",\"signal\":"), (uint64_t)WTERMSIG(status));
    return tine__json_number(JSON_PUT(p, ",\"exit_code\":"), (uint64_t)WEXITSTATUS(status));
}

static void put_exit(struct formatter *f, const struct exit_record *r) {
    const struct worker_exit *x = &r->exit;
    uint64_t row = use_row(f, x->worker);
    char *p = begin(f, 0);
    if (!p)
        return;
    p = JSON_PUT(p, "{\"name\":\"end: ");
    p = put_text(p, tine__parting_name(x->why));
    p = JSON_PUT(p, "\",\"cat\":\"worker\",\"ph\":\"i\",\"s\":\"t\"");
    p = put_row(f, p, row);
    p = put_time(p, r->at);
    p = JSON_PUT(p, ",\"args\":{\"worker\":");
    p = tine__json_number(p, x->worker);
    p = JSON_PUT(p, ",\"pid\":");
    p = tine__json_number(p, (uint64_t)x->pid);
    p = JSON_PUT(p, ",\"tasks\":");
    p = tine__json_number(p, x->tasks);
    p = x->has_status ? put_status(p, x->status) : p;
    p = JSON_PUT(p, "}}");
    end(f, p);
}

static void put_stopped(struct formatter *f, const struct stopped_record *r) {
    char *p = begin(f, r->length);
    if (!p)
        return;
    p = JSON_PUT(p, "{\"name\":\"pool stopped\",\"cat\":\"worker\",\"ph\":\"i\",\"s\":\"p\"");
    p = put_row(f, p, row_of(f, 0));
    p = put_time(p, r->at);
    p = JSON_PUT(p, ",\"args\":{\"why\":\"");
    p = tine__json_string(p, (const char *)(r + 1), r->length);
    p = JSON_PUT(p, "\"}}");
    end(f, p);
}

/* --- counters --- */

static char *begin_counter(struct formatter *f, const char *name, uint64_t at) {
    char *p = begin(f, 0);
    if (!p)
        return NULL;
    p = JSON_PUT(p, "{\"name\":\"");
    p = put_text(p, f->prefix);
    p = put_text(p, name);
    p = JSON_PUT(p, "\",\"ph\":\"C\"");
    p = put_row(f, p, row_of(f, 0));
    return put_time(p, at);
}

static void put_counts(struct formatter *f, const struct trace_counts *c) {
    char *p = begin_counter(f, "tasks", c->at);
    if (!p)
        return;
    p = JSON_PUT(p, ",\"args\":{\"running\":");
    p = tine__json_number(p, c->running);
    p = JSON_PUT(p, ",\"pending\":");
    p = tine__json_number(p, c->pending);
    p = JSON_PUT(p, "}}");
    end(f, p);
    p = begin_counter(f, "workers", c->at);
    if (!p)
        return;
    p = JSON_PUT(p, ",\"args\":{\"workers\":");
    p = tine__json_number(p, c->workers);
    p = JSON_PUT(p, "}}");
    end(f, p);
}

void tine__format(struct formatter *f, const struct trace_record *r) {
    switch ((enum trace_kind)r->kind) {
    case TRACE_TASK:
        put_task(f, (const struct task_record *)r);
        break;
    case TRACE_READY:
        put_ready(f, (const struct ready_record *)r);
        break;
    case TRACE_PLACE:
        put_place(f, (const struct place_record *)r);
        break;
    case TRACE_EXIT:
        put_exit(f, (const struct exit_record *)r);
        break;
    case TRACE_STOPPED:
        put_stopped(f, (const struct stopped_record *)r);
        break;
    case TRACE_COUNTS:
        put_counts(f, &((const struct counts_record *)r)->counts);
        break;
    }
}
