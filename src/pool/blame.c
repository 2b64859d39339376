/* Failures: why a task or a pool failed, in words. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/proc.h"
#include "base/sys.h"
#include "base/text.h"
#include "base/why.h"
#include "pool/internal.h"
#include "worker/protocol.h"

static void say_end(char *out, size_t size, int status) {
    if (WIFSIGNALED(status))
        snprintf(out, size, "killed by signal %d (%s)", WTERMSIG(status),
                 strsignal(WTERMSIG(status)));
    else
        snprintf(out, size, "exit code %d", WEXITSTATUS(status));
}

/* Note in the failure the task that a worker was running. */
static void name_task(struct failure *f, const struct item *item, uint32_t k) {
    char label[256];
    tine__label(&item->name, k, label, sizeof label);
    f->task = item->name.id + k;
    f->label = tine__text_copy(label);
    if (item->name.origin) {
        f->source = tine__text_copy(item->name.origin->source);
        f->line = item->name.origin->line;
    }
    tine__printed_blame(item, k, f);
}

/* "broken: worker 3 (pid 77) died while it was running fib (a.lua:3) #5: exit code 1" */
static void say_death(struct failure *f, const struct blame *b, const char *prefix) {
    char end[160], place[128] = "";
    if (b->spoilt)
        snprintf(end, sizeof end, "a task closed or replaced its descriptors");
    else if (b->unborn && b->unfit)
        snprintf(end, sizeof end, "it cannot be set up: %s", strerror(b->unfit));
    else
        say_end(end, sizeof end, b->status);
    if (f->label && f->source && f->line > 0 && !strstr(f->label, f->source))
        snprintf(place, sizeof place, " (%.100s:%d)", f->source, f->line);
    tine__failure_say(f, "%sworker %u (pid %d%s%s) %s while it was %s%s%s: %s%s", prefix, b->worker,
                      b->pid, b->host ? " on " : "", b->host ? b->host : "",
                      b->rubbish ? "was killed for what it sent, which makes no sense," : "died",
                      b->task         ? "running "
                      : b->unborn     ? "starting"
                      : b->everywhere ? "running a function of everywhere"
                                      : "idle",
                      b->task ? f->label ? f->label : "a task" : "", place, end,
                      b->error ? " (what it started could not be ended, and may run on)" : "");
}

static const char *name_ending(const struct item *item, enum ending how, int code) {
    if (how == ENDING_LATE)
        return item->task.attempts > 0 ? "its deadline passed before its next attempt"
                                       : "its deadline passed before it had begun";
    return how == ENDING_CPU ? "the processor time allowed is spent" : tine_error_text(code);
}

struct failure *tine__failure_ended(const struct item *item, uint32_t k, enum ending how,
                                    const struct report *r) {
    char label[256];
    struct report_memory memory;
    int code = how == ENDING_CANCELLED ? TINE_ECANCELLED
               : how == ENDING_MEMORY  ? TINE_EMEMORY
                                       : TINE_ETIMEOUT;
    struct failure *f = tine__failure_new(code);
    if (!f)
        return NULL;
    tine__label(&item->name, k, label, sizeof label);
    f->cpu = how == ENDING_CPU;
    f->phase = how == ENDING_LATE ? "pending" : code == TINE_ETIMEOUT ? "running" : NULL;
    tine__failure_say(f, "%s: %s", label, name_ending(item, how, code));
    if (r && r->kind == REPORT_MEMORY && r->length == sizeof memory) {
        memcpy(&memory, r->bytes, sizeof memory);
        f->limit = memory.limit;
        f->used = memory.used;
    }
    if (how != ENDING_CANCELLED)
        tine__printed_blame(item, k, f);
    bool told =
        r && (r->kind == REPORT_ENDED || r->kind == REPORT_TIMEOUT || r->kind == REPORT_CPU);
    if (told && !r->error && r->length > 0)
        f->traceback = tine__text_copy_n(r->bytes, r->length);
    return f;
}

static void name_place(struct failure *f, const struct report *r) {
    if (r->host)
        f->host = tine__text_copy(r->host);
    if (r->server)
        f->server = tine__text_copy(r->server);
}

static struct failure *crashed_far(const struct item *item, uint32_t k, const struct report *r) {
    struct report_crash c;
    memcpy(&c, r->bytes, sizeof c);
    const struct blame b = {.why = WHY_CRASH,
                            .worker = c.worker,
                            .pid = c.pid,
                            .has_status = c.has_status,
                            .status = c.status,
                            .spoilt = c.spoilt,
                            .error = c.error,
                            .host = r->host,
                            .task = (struct task *)&item->task,
                            .k = k};
    return tine__failure_of(&b, false);
}

struct failure *tine__failure_far(const struct item *item, uint32_t k, const struct report *r) {
    char label[256];
    struct failure *f =
        r->kind == REPORT_CRASHED ? crashed_far(item, k, r) : tine__failure_new(TINE_ELOST);
    if (!f)
        return NULL;
    name_place(f, r);
    if (r->kind == REPORT_CRASHED)
        return f;
    name_task(f, item, k);
    tine__label(&item->name, k, label, sizeof label);
    tine__failure_say(f, "%s was lost: %.*s%s%s%s; it may have run in part", label, (int)r->length,
                      r->bytes ? r->bytes : "", r->host ? " (" : "", r->host ? r->host : "",
                      r->host ? ")" : "");
    return f;
}

struct failure *tine__failure_desert(const struct report *r) {
    struct failure *f = tine__failure_new(TINE_ELOST);
    if (f)
        tine__failure_say(f, "%.*s", (int)r->length, r->bytes ? r->bytes : "");
    return f;
}

static void keep_segment(struct failure *f, const struct blame *b) {
    bool text = b->why == WHY_NO_SERVER || b->why == WHY_GONE;
    if (text || !b->segment || !(f->cause = sys.malloc(b->length)))
        return;
    memcpy(f->cause, b->segment, b->length);
    f->cause_len = b->length;
}

/* The fork server has ended unexpectedly. */
static void say_gone(struct failure *f, const struct blame *b) {
    char end[96];
    if (WIFEXITED(b->status) && WEXITSTATUS(b->status) == WORKER_SPEECHLESS)
        snprintf(end, sizeof end,
                 "it ended with code %d, as one does that cannot send this program a message",
                 WORKER_SPEECHLESS);
    else
        say_end(end, sizeof end, b->status);
    if (b->error == EBADF)
        tine__failure_say(f,
                          "the pool is broken: the program has closed or replaced its descriptors");
    else if (b->error == ETIMEDOUT)
        tine__failure_say(f, "the pool is broken: its fork server does not answer");
    else if (b->has_status)
        tine__failure_say(f, "the pool is broken: its fork server (pid %d) died%.*s: %s", b->pid,
                          (int)b->length, b->segment ? b->segment : "", end);
    else
        tine__failure_say(f, "the pool is broken: its fork server died, and so did its parent");
}

static void say(struct failure *f, const struct blame *b, bool broken) {
    static const char *const texts[WHY_COUNT] = {
        [WHY_INITIALIZER] = "the pool is broken: its initializer failed",
        [WHY_SLOW_START] =
            "the pool is broken: its initializer failed: a worker was not ready in the time allowed (start_timeout)",
        [WHY_PRELOAD] = "the pool is broken: its preload failed",
        [WHY_TERMINATED] = "the pool's workers were terminated (terminate_workers)",
        [WHY_KILLED] = "the pool's workers were killed (kill_workers)",
        [WHY_OVERDUE] =
            "the pool's workers were killed: they had not finished in the time allowed (shutdown, timeout)",
        [WHY_INTERRUPTED] = "the pool's workers were killed: the program was interrupted"};
    switch (b->why) {
    case WHY_CRASH:
    case WHY_STARTS:
        say_death(f, b, broken ? "the pool is broken: " : "");
        break;
    case WHY_NO_SERVER:
        tine__failure_say(f, "the pool is broken: cannot start its fork server: %.*s",
                          (int)b->length, b->segment ? b->segment : "");
        break;
    case WHY_NO_WORKER:
        tine__why_clear();
        if (b->error == EAGAIN)
            tine__proc_refused(b->error, "fork");
        tine__failure_say(f, "the pool is broken: cannot start a worker: %s",
                          tine__why_text(b->error));
        break;
    case WHY_GONE:
        say_gone(f, b);
        break;
    default:
        tine__failure_say(f, "%s", texts[b->why]);
    }
}

struct failure *tine__failure_of(const struct blame *b, bool broken) {
    struct failure *f = tine__failure_new(broken ? why_code(b->why) : TINE_ECRASHED);
    if (!f)
        return NULL;
    f->worker = b->worker;
    f->pid = b->pid;
    f->has_status = b->has_status;
    f->status = b->status;
    f->error = b->error;
    if (b->task)
        name_task(f, item_of(b->task), b->k);
    keep_segment(f, b);
    say(f, b, broken);
    return f;
}
