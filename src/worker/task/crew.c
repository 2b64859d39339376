#include "worker/task/crew.h"

#include <string.h>
#include "base/oldest.h"
#include "base/sys.h"
#include "msg/errand.h"
#include "worker/process/output.h"
#include "worker/process/process.h"
#include "worker/task/ask.h"
#include "worker/task/errand.h"

#define MOST 1024u

/* A remote pool. */
struct crew {
    uint64_t id;
    uint64_t ran;  /* number of its errands run here */
    uint64_t used; /* last use, by crews->clock */
};

struct crews {
    unsigned n, room;
    uint64_t clock;
    struct crew list[];
};

/* --- known pools --- */

static struct crew *find(struct crews *c, uint64_t id) {
    for (unsigned i = 0; i < c->n; i++)
        if (c->list[i].id == id)
            return &c->list[i];
    return NULL;
}

static bool make_room(struct loop *l) {
    struct crews *c = l->crews;
    unsigned room = c ? 2 * c->room : 4;
    if (c && (c->n < c->room || c->room == MOST))
        return true;
    struct crews *larger = sys.realloc(c, sizeof *c + room * sizeof c->list[0]);
    if (!larger)
        return false;
    if (!c)
        larger->n = 0, larger->clock = 0;
    larger->room = room;
    l->crews = larger;
    return true;
}

/* Add a pool; when the list is full it replaces the least recently used one. */
static struct crew *add(struct crews *c, uint64_t id) {
    struct crew *at = c->n < c->room
                          ? &c->list[c->n++]
                          : &c->list[oldest_of(&c->list[0].used, c->n, sizeof c->list[0])];
    *at = (struct crew){.id = id};
    return at;
}

/* The pool of the current call; NULL: no memory. */
static struct crew *meet(struct loop *l) {
    uint64_t id = l->call->crew;
    struct crew *crew = l->crews ? find(l->crews, id) : NULL;
    if (!crew && make_room(l))
        crew = add(l->crews, id);
    if (crew)
        crew->used = ++l->crews->clock;
    return crew;
}

/* --- errands --- */

struct step {
    struct errand_far head;
    struct errand_call call;
};

/* Read the errand with this id in the store. False: it is missing or damaged. */
static bool read_step(const struct call *call, uint64_t id, struct step *out) {
    struct codec_code code;
    struct errand_far *e = &out->head;
    struct errand_call *c = &out->call;
    if (!tine__store_find(call->heap, id, &code, NULL) || code.len < sizeof *e)
        return false;
    memcpy(e, code.bytes, sizeof *e);
    size_t left = code.len - sizeof *e;
    if (e->names > left / sizeof(struct call_far_name))
        return false;
    c->names = code.bytes + sizeof *e;
    c->nnames = (uint32_t)e->names;
    c->function = c->names + e->names * sizeof(struct call_far_name);
    left -= e->names * sizeof(struct call_far_name);
    c->function_len = e->function;
    c->arguments = c->function + e->function;
    c->arguments_len = left - e->function;
    return e->function <= left;
}

/* Read the last `n` errands, in order; each names the one before. False: they cannot be read. */
static bool read_steps(const struct call *call, uint64_t n, struct step *steps) {
    uint64_t id = call->errand, number = call->errands;
    for (; n > 0; number--) {
        struct step *step = &steps[--n];
        if (!read_step(call, id, step) || step->head.number != number)
            return false;
        id = step->head.before;
    }
    return true;
}

/* Run one errand. It can be asked to end, as the task can. A failure is reported. */
static bool run(struct loop *l, const struct call *call, const struct errand_call *c,
                uint64_t number) {
    struct channel *ch = l->channel;
    struct buf *out = ch->reply(ch);
    bool ok = !tine__ask_begin(l->run.L, ch) && tine__errand_run(&l->run, c, out);
    tine__ask_end(l->run.L, ch);
    if (loop_is_forked(l))
        tine__process_exit(0);
    tine__output_flush();
    if (!ok && !ch->asked(ch))
        ch->say(ch, RECORD_FAULT, number, call->ref);
    return ok;
}

/* Run all errands that are due. One during which the task was asked to end does not count as
** run. */
static bool run_all(struct loop *l, const struct call *call, struct crew *crew,
                    const struct step *step, const char **why) {
    for (; crew->ran < call->errands; step++) {
        bool ok = run(l, call, &step->call, step->head.number);
        if (l->channel->asked(l->channel))
            return true;
        if (!ok && step->head.first) {
            *why = "the initializer of its pool has failed in the worker";
            return false;
        }
        crew->ran++;
    }
    return true;
}

static bool catch_up(struct loop *l, struct crew *crew, const char **why) {
    const struct call *call = l->call;
    uint64_t n = call->errands - crew->ran;
    struct step *steps = n < SIZE_MAX / sizeof *steps ? sys.malloc(n * sizeof *steps) : NULL;
    *why = "what its pool has run everywhere cannot be had in the worker";
    if (!steps || !read_steps(call, n, steps)) {
        free(steps);
        return false;
    }
    l->channel->hold(l->channel);
    l->call = NULL; /* an errand is not a task */
    bool ok = run_all(l, call, crew, steps, why);
    l->call = call;
    l->channel->resume(l->channel, call);
    free(steps);
    return ok;
}

bool tine__crew_prepare(struct loop *l, const char **why) {
    struct crew *crew = meet(l);
    if (!crew) {
        *why = "the call cannot be run in the worker: out of memory";
        return false;
    }
    return crew->ran >= l->call->errands || l->channel->asked(l->channel) || catch_up(l, crew, why);
}
