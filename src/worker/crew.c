#include "worker/crew.h"

#include <string.h>
#include "base/sys.h"
#include "msg/errand.h"
#include "worker/ask.h"
#include "worker/errand.h"
#include "worker/output.h"
#include "worker/process.h"

#define MOST 1024u

/* What is known of a pool. */
struct crew {
    uint64_t id;
    uint64_t ran;  /* so many of its errands, from the first on */
    uint64_t used; /* the last time */
};

struct crews {
    unsigned n, room;
    uint64_t clock;
    struct crew list[];
};

/* --- who is known --- */

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

/* A place for another one. */
static struct crew *add(struct crews *c, uint64_t id) {
    struct crew *at = &c->list[0];
    if (c->n < c->room) {
        at = &c->list[c->n++];
    } else {
        for (unsigned i = 1; i < c->n; i++)
            if (c->list[i].used < at->used)
                at = &c->list[i];
    }
    *at = (struct crew){.id = id};
    return at;
}

/* The call's pool; NULL: no memory. */
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

/* What lies in the store as `id`. False: it is not there, or damaged. */
static bool read_errand(const struct call *call, uint64_t id, struct errand_far *e,
                        struct errand_call *c) {
    struct codec_code code;
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

/* The ids of the `n` last ones, in their order. False: they are not there. */
static bool list(const struct call *call, uint64_t n, uint64_t *ids) {
    struct errand_far e;
    struct errand_call c;
    uint64_t id = call->errand, number = call->errands;
    for (; n > 0; id = e.before, number--) {
        if (!read_errand(call, id, &e, &c) || e.number != number)
            return false;
        ids[--n] = id;
    }
    return true;
}

/* It can be asked to end, as the task can. Where it fails that is said. */
static bool run(struct loop *l, const struct call *call, const struct errand_call *c,
                uint64_t number) {
    struct channel *ch = l->channel;
    struct buf *out = ch->reply(ch);
    tine__ask_begin(l->run.L, ch);
    bool ok = tine__errand_run(&l->run, c, out);
    tine__ask_end(l->run.L, ch);
    if (tine__process_is_foreign())
        tine__process_exit(0);
    tine__output_flush();
    if (!ok && !ch->asked(ch))
        ch->say(ch, RECORD_FAULT, number, call->ref);
    return ok;
}

/* Those with these ids. One in the midst of which the task was asked to end has not been run. */
static bool run_all(struct loop *l, const struct call *call, struct crew *crew, const uint64_t *ids,
                    const char **why) {
    struct errand_far e;
    struct errand_call c;
    for (; crew->ran < call->errands; ids++) {
        if (!read_errand(call, *ids, &e, &c)) {
            *why = "what its pool has run everywhere cannot be read in the worker";
            return false;
        }
        bool ok = run(l, call, &c, e.number);
        if (l->channel->asked(l->channel))
            return true;
        if (!ok && e.first) {
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
    uint64_t *ids = n < SIZE_MAX / sizeof *ids ? sys.malloc(n * sizeof *ids) : NULL;
    *why = "what its pool has run everywhere cannot be had in the worker";
    if (!ids || !list(call, n, ids)) {
        free(ids);
        return false;
    }
    l->channel->hold(l->channel);
    l->call = NULL; /* it is no task */
    bool ok = run_all(l, call, crew, ids, why);
    l->call = call;
    l->channel->resume(l->channel, call);
    free(ids);
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
