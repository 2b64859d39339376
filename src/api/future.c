/* The C library's futures: looking, waiting, cancelling, aborting. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "api/api.h"
#include "base/clock.h"
#include "base/sys.h"
#include "pool/wait.h"

int tine_future_state(tine_future *f) {
    static const int states[] = {[LOOK_PENDING] = TINE_PENDING, [LOOK_RUNNING] = TINE_RUNNING};
    int err = future_check(f);
    if (err)
        return err;
    enum task_look look = tine__task_look(f->pool->core, &f->item, 0);
    tine__api_collect(f->pool);
    if (look != LOOK_SETTLED)
        return states[look];
    future_told(f);
    return f->outcome.code == TINE_ECANCELLED ? TINE_CANCELLED : TINE_FINISHED;
}

static bool is_settled(void *arg) {
    const struct tine_future *f = arg;
    return outcome_settled(&f->outcome);
}

static bool is_its_own(const struct item *item, const void *arg) {
    return item->owner == arg;
}

static int await_end(tine_future *f, uint64_t deadline) {
    if (is_settled(f))
        return 0;
    if (tine__api_is_managing(f->pool))
        return TINE_EINVALID; /* this thread itself handles deaths and replacements */
    return tine__api_wait(f->pool, is_settled, is_its_own, f, deadline);
}

int tine_future_wait(tine_future *f, double timeout) {
    uint64_t deadline;
    int err = future_check(f);
    if (err || !tine__api_deadline(timeout, &deadline))
        return err ? err : TINE_EARG;
    err = await_end(f, deadline);
    if (!err)
        future_told(f);
    return err;
}

#define FEW 16 /* pools that need no allocation */

struct stand {
    bool loose;     /* tasks that stand were loosened in it (pool/events.h) */
    uint32_t stood; /* tine__events_stood, read before that */
};

struct any {
    tine_future *const *futures;
    size_t n;
    /* The pools' inboxes, each once. Without memory for all of them, the pools that are missing are
    ** polled. */
    struct inbox **inboxes;
    struct stand *stands;
    unsigned ninboxes, room;
    bool all; /* no pool is missing */
    struct inbox *few_inboxes[FEW];
    struct stand few_stands[FEW];
};

static void forget(struct any *a) {
    if (a->inboxes != a->few_inboxes)
        free(a->inboxes);
    if (a->stands != a->few_stands)
        free(a->stands);
}

/* Double the room. */
static bool make_room(struct any *a) {
    struct inbox **inboxes = sys.malloc(2 * a->room * sizeof *inboxes);
    struct stand *stands = sys.malloc(2 * a->room * sizeof *stands);
    if (!inboxes || !stands) {
        free(inboxes);
        free(stands);
        return false;
    }
    memcpy(inboxes, a->inboxes, a->ninboxes * sizeof *inboxes);
    memcpy(stands, a->stands, a->ninboxes * sizeof *stands);
    forget(a);
    a->inboxes = inboxes;
    a->stands = stands;
    a->room *= 2;
    return true;
}

static void add_inbox(struct any *a, struct inbox *inbox) {
    for (unsigned k = 0; k < a->ninboxes; k++)
        if (a->inboxes[k] == inbox)
            return;
    if (a->ninboxes == a->room && !make_room(a)) {
        a->all = false;
        return;
    }
    a->stands[a->ninboxes] = (struct stand){0};
    a->inboxes[a->ninboxes++] = inbox;
}

static int first_settled(const struct any *a) {
    for (size_t i = 0; i < a->n; i++)
        if (outcome_settled(&a->futures[i]->outcome))
            return (int)i;
    return -1;
}

/* Must the thread not go to sleep? */
static bool has_more(void *arg) {
    const struct any *a = arg;
    bool more = first_settled(a) >= 0;
    for (unsigned i = 0; i < a->ninboxes && !more; i++)
        more = tine__events_stood(a->inboxes[i]->pool) != a->stands[i].stood;
    return more;
}

static int check_any(struct any *a) {
    a->all = true;
    a->inboxes = a->few_inboxes;
    a->stands = a->few_stands;
    a->room = FEW;
    for (size_t i = 0; i < a->n; i++) {
        int err = future_check(a->futures[i]);
        if (err)
            return err;
        if (tine__api_is_managing(a->futures[i]->pool))
            return TINE_EINVALID;
        add_inbox(a, &a->futures[i]->pool->inbox);
    }
    return a->n > 0 && a->n <= INT_MAX ? 0 : TINE_EARG;
}

#define REST 10000000u /* ns between two polls of pools that are missing */

static bool is_one_of(const struct item *item, const void *arg) {
    const struct any *a = arg;
    for (size_t i = 0; i < a->n; i++)
        if (item == &a->futures[i]->item)
            return true;
    return false;
}

/* Loosen the tasks that stand and whose ends are awaited; or tighten them again. */
static void loosen(struct any *a) {
    for (unsigned i = 0; i < a->ninboxes; i++) {
        a->stands[i].stood = tine__events_stood(a->inboxes[i]->pool);
        if (tine__events_stand(a->inboxes[i]->pool))
            tine__events_loosen(a->inboxes[i]->pool, is_one_of, a, &a->stands[i].loose);
    }
}

static void tighten(struct any *a) {
    for (unsigned i = 0; i < a->ninboxes; i++)
        tine__events_tighten(a->inboxes[i]->pool, &a->stands[i].loose);
}

/* Take in results and call callbacks. */
static void dispatch(struct tine_pool *pool) {
    tine__pool_poll(pool->core);
    tine__api_dispatch(pool);
}

static void dispatch_all(const struct any *a) {
    for (unsigned i = 0; i < a->ninboxes; i++)
        dispatch(a->inboxes[i]->owner);
    for (size_t i = 0; i < a->n && !a->all; i++)
        dispatch(a->futures[i]->pool);
}

static int wait_any(struct any *a, uint64_t deadline) {
    const struct wait_hook hook = {.ready = has_more, .arg = a};
    for (int err = 0;;) {
        dispatch_all(a);
        int first = first_settled(a);
        if (first >= 0)
            return first;
        if (err == TINE_EAGAIN)
            return err;
        uint64_t now = tine__now(), until = a->all ? deadline : clock_after(now, REST);
        if (now >= deadline)
            return TINE_ETIMEOUT;
        loosen(a);
        err = tine__wait(a->inboxes, a->ninboxes, until < deadline ? until : deadline, &hook);
    }
}

static int await_any(struct any *a, double timeout) {
    uint64_t deadline;
    int err = check_any(a);
    if (err || !tine__api_deadline(timeout, &deadline))
        return err ? err : TINE_EARG;
    int first = first_settled(a);
    if (first < 0) {
        first = wait_any(a, deadline);
        tighten(a);
    }
    return first;
}

int tine_wait_any(tine_future *const *futures, size_t n, double timeout) {
    struct any a = {.futures = futures, .n = futures ? n : 0};
    int first = await_any(&a, timeout);
    forget(&a);
    return first;
}

bool tine_future_cancel(tine_future *f) {
    if (future_check(f))
        return false;
    bool cancelled = tine__task_cancel(f->pool->core, &f->item, 0);
    tine__api_collect(f->pool);
    return cancelled;
}

bool tine_future_abort(tine_future *f) {
    if (future_check(f))
        return false;
    bool ended = tine__task_abort(f->pool->core, &f->item);
    tine__api_collect(f->pool);
    return ended;
}

size_t tine_future_label(tine_future *f, char *out, size_t size) {
    if (!out)
        size = 0;
    if (size > 0)
        *out = '\0';
    return future_check(f) ? 0 : tine__label(&f->item.name, 0, out, size);
}
