#include "worker/task/loop.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <lauxlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/slab.h"
#include "base/sys.h"
#include "base/why.h"
#include "codec/segment.h"
#include "worker/process/family.h"
#include "worker/process/output.h"
#include "worker/process/process.h"
#include "worker/state/seed.h"
#include "worker/task/ask.h"
#include "worker/task/crew.h"
#include "worker/task/divert.h"
#include "worker/task/errand.h"
#include "worker/task/nest.h"

/* --- tasks --- */

/* The worker is condemned: touch nothing until it is killed. */
static _Noreturn void await_death(void) {
    for (;;)
        pause();
}

/* Cut the argument segment of the next task off *rest. */
static bool next_arguments(struct run_call *c, const char **rest, size_t *left) {
    size_t n = segment_length(*rest, *left);
    c->arguments = *rest;
    c->arguments_len = n;
    *rest += n;
    *left -= n;
    return n > 0;
}

static enum record_kind refuse(struct buf *out, const char *text) {
    if (buf_append(out, text, strlen(text)))
        out->len = 0;
    return RECORD_REFUSED;
}

static enum record_kind run_task(struct loop *l, const struct run_call *c, bool whole,
                                 struct buf *out) {
    if (!l->call->function)
        return refuse(out, "the call cannot be read in the worker: out of memory");
    if (!whole)
        return refuse(out, "the call is damaged");
    uint64_t seed[2];
    if (loop_seed(l, seed))
        tine__seed_with(l->run.L, seed);
    bool asked = tine__ask_begin(l->run.L, l->channel);
    enum record_kind kind = asked ? RECORD_ENDED : tine__run(&l->run, c, out);
    tine__ask_end(l->run.L, l->channel);
    return kind;
}

/* Run the task and put its answer into `out`. A task that was asked to end before
** it began does not run. */
static enum record_kind make_answer(struct loop *l, const struct run_call *c, bool whole,
                                    uint64_t since, struct buf *out) {
    struct channel *ch = l->channel;
    enum record_kind kind = run_task(l, c, whole, out);
    if (loop_is_forked(l))
        tine__process_exit(0);
    if (ch->asked(ch)) {
        tine__ask_answer(l->run.L, ch, out, since);
        kind = RECORD_ENDED;
    }
    return kind;
}

/* Raise the error that the output cannot be diverted. */
static int raise_output(lua_State *L) {
    int error = *(const int *)lua_touserdata(L, 1);
    const char *text =
        lua_pushfstring(L, "the output of the task cannot be diverted: %s", tine__why_text(error));
    errno = error;
    tine__error_value(L, TINE_ESYSTEM, text);
    return lua_error(L);
}

/* A task has closed or replaced the descriptors that output needs: in this worker that would strike
** all tasks to come. */
static _Noreturn void end_spoilt(struct channel *ch) {
    ch->reply(ch);
    ch->say(ch, RECORD_SPOILT, 0, 0);
    tine__process_exit(1);
}

static enum record_kind refuse_output(struct loop *l, struct buf *out) {
    int error = errno;
    if (error == EBADF)
        end_spoilt(l->channel);
    tine__run_c(&l->run, raise_output, &error, out);
    return RECORD_ERROR;
}

/* Run the task with its output where it belongs; it ends only when all its output is there. */
static enum record_kind with_output(struct loop *l, const struct run_call *c, bool whole,
                                    uint64_t since, struct buf *out) {
    struct diverted d;
    if (tine__divert_begin(&d, l->channel, l->call, l->k, l->level))
        return refuse_output(l, out);
    enum record_kind kind = make_answer(l, c, whole, since, out);
    if (!tine__divert_end(&d))
        end_spoilt(l->channel);
    return kind;
}

/* Run the errands that the call's pool wants to have run first; their output is not the
** task's. Then the task. */
static enum record_kind prepare_and_run(struct loop *l, const struct run_call *c, bool whole,
                                        uint64_t since) {
    struct channel *ch = l->channel;
    const char *why;
    if (l->call->errand && !tine__crew_prepare(l, &why))
        return refuse(ch->reply(ch), why);
    return with_output(l, c, whole, since, ch->reply(ch));
}

/* Run and answer task `l->k`. 0; or TINE_ECANCELLED: neither it nor the rest of the chunk runs. */
static int one_task(struct loop *l, const struct run_call *c, bool whole) {
    struct channel *ch = l->channel;
    uint64_t since;
    int err = ch->begin(ch, l->call, l->k, &since);
    if (err == TINE_ECANCELLED)
        return err;
    if (err)
        await_death();
    l->submitted = 0;
    enum record_kind kind = prepare_and_run(l, c, whole, since);
    if (l->said.id == l->call->id + l->k)
        ch->last_progress(ch, l->call, &l->said);
    if (ch->answer(ch, l->call, l->k, kind))
        await_death();
    if (l->submitted) /* only now is the answer's buffer free */
        tine__nest_over(l);
    l->tasks++;
    return 0;
}

/* See what the submitter has told all workers, or this one. */
static void heed(struct loop *l) {
    if (l->channel->dismissed(l->channel))
        l->parting = PART_RESIZE; /* or another reason, which the submitter knows */
    tine__errands_run(l);
}

/* Must the worker leave before its next task? */
static bool has_had_enough(struct loop *l) {
    if (l->channel->told(l->channel))
        heed(l);
    if (l->max_tasks && l->tasks >= l->max_tasks)
        l->parting = PART_TASKS;
    return l->parting != PART_NONE;
}

/* Leave if the process has grown too large. */
static void look_at_memory(struct loop *l) {
    if (l->max_memory && tine__process_memory() > l->max_memory)
        l->parting = PART_MEMORY;
}

void tine__loop_call(struct loop *l, const struct call *call) {
    struct channel *ch = l->channel;
    struct run_call c = {.function = call->function,
                         .function_len = call->function_len,
                         .names = call->names,
                         .nnames = call->nnames,
                         .memory = call->extra ? call->extra->memory : 0};
    const char *rest = call->arguments;
    size_t left = call->arguments_len;
    l->call = call;
    tine__decode_begin(l->run.codec);
    for (l->k = 0; l->k < call->count; l->k++, c.again = true) {
        bool whole = call->function && next_arguments(&c, &rest, &left);
        c.given = call->count == 1 ? rest : NULL;
        c.given_len = call->count == 1 ? left : 0;
        /* the first task runs in any case: the submitter does not have a taken call any more */
        bool enough = has_had_enough(l) && l->k > 0;
        if (enough || one_task(l, &c, whole)) {
            ch->reply(ch);
            ch->say(ch, RECORD_STOPPED, call->id + l->k, call->ref);
            break;
        }
    }
    l->call = NULL;
}

static void run_call(struct loop *l, const struct call *call) {
    tine__loop_call(l, call);
    l->channel->done(l->channel, call);
    if (call->extra && call->extra->seeded)
        tine__seed_fresh(l->run.L); /* later random numbers must not follow from this seed */
    look_at_memory(l);
}

/* --- between calls --- */

#define GARBAGE 4096 /* KiB by which the state may grow before an idle worker collects */
#define STEP 1024    /* KiB that one collector step goes over; short, since a call must not wait */
#define CALLS_OFTEN 256u /* a worker that is never idle tidies up after this many calls */

static int memory(const struct loop *l) {
    return lua_gc(l->run.L, LUA_GCCOUNT);
}

static bool has_garbage(struct loop *l) {
    int kib = memory(l);
    if (kib < l->clean)
        l->clean = kib;
    return kib - l->clean > GARBAGE && lua_gc(l->run.L, LUA_GCISRUNNING);
}

/* Collect what tasks have left, in steps, until a call comes (0). Two cycles: what became garbage
** during one is collected by the next. A generational collector does not say when it has finished,
** so the number of steps is limited. TINE_ETIMEOUT: done. */
static int collect(struct loop *l, struct call *call) {
    int steps = 4 * (memory(l) / STEP) + 32;
    for (int cycles = 0; cycles < 2 && steps > 0; steps--) {
        int err = l->channel->take(l->channel, call, 0);
        if (err != TINE_ETIMEOUT)
            return err;
        cycles += lua_gc(l->run.L, LUA_GCSTEP, STEP);
    }
    l->clean = memory(l);
    tine__output_flush(); /* finalizers may have written something */
    return TINE_ETIMEOUT;
}

static bool has_empty_memory(const struct loop *l) {
    return l->slab && tine__slab_untidy(l->slab);
}

/* Give back empty memory of the allocator, in steps as above. */
static int empty(struct loop *l, struct call *call) {
    int err = TINE_ETIMEOUT;
    while (err == TINE_ETIMEOUT && has_empty_memory(l)) {
        tine__slab_tidy(l->slab, true);
        err = l->channel->take(l->channel, call, 0);
    }
    return err;
}

/* Nothing has come for some time: give the memory of large tasks back. */
static int rest(struct loop *l, struct call *call) {
    l->channel->tidy(l->channel);
    int err = has_garbage(l) ? collect(l, call) : TINE_ETIMEOUT;
    return err == TINE_ETIMEOUT ? empty(l, call) : err;
}

/* For a worker that is never idle: give back memory unused for some time. */
static void tidy_up(struct loop *l) {
    if (l->channel->untidy(l->channel))
        l->channel->tidy(l->channel);
    if (has_empty_memory(l))
        tine__slab_tidy(l->slab, false);
}

static void say_idle(struct loop *l) {
    l->channel->reply(l->channel);
    l->channel->say(l->channel, RECORD_IDLE, 0, 0);
}

/* How long to wait for a call; not for ever if something is to be done meanwhile. */
static uint64_t patience(struct loop *l, uint64_t idle_at, bool *tidy) {
    *tidy = !l->channel->untidy(l->channel) && !has_garbage(l) && !has_empty_memory(l);
    uint64_t rest = *tidy ? UINT64_MAX : CHANNEL_REST, now = l->idle ? tine__now() : 0;
    uint64_t left = !l->idle ? UINT64_MAX : now < idle_at ? idle_at - now : 1;
    return left < rest ? left : rest;
}

static int next_call(struct loop *l, struct call *call) {
    uint64_t idle_at = l->idle ? clock_deadline(l->idle) : 0;
    int err = TINE_EAGAIN;
    bool tidy = true;
    while ((err == TINE_ETIMEOUT || err == TINE_EAGAIN) && !has_had_enough(l)) {
        err = l->channel->take(l->channel, call, 0); /* mostly there is one */
        if (err == TINE_ETIMEOUT)
            err = l->channel->take(l->channel, call, patience(l, idle_at, &tidy));
        if (err == TINE_ETIMEOUT && l->idle && tine__now() >= idle_at) {
            say_idle(l);
            idle_at = clock_deadline(l->idle);
        } else if (err == TINE_ETIMEOUT && !tidy) {
            err = rest(l, call);
        }
    }
    return err;
}

void tine__loop_run(struct loop *l) {
    struct call call;
    l->clean = memory(l);
    l->bottom = __builtin_frame_address(0);
    for (unsigned n = 1; next_call(l, &call) == 0; n++) {
        run_call(l, &call);
        if (n % CALLS_OFTEN == 0)
            tidy_up(l);
    }
}
