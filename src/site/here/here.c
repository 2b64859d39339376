#include "site/here/here.h"

#include <errno.h>
#include "base/error.h"
#include "base/sys.h"
#include "sched/errand.h"
#include "site/here/internal.h"

#define HEAP_PAGE 4096u

/* --- looking --- */

/* The task occupies the worker, so nobody else could look meanwhile. */
static bool here_progress(struct site *s, uint32_t ref, uint64_t id, struct progress *out) {
    (void)s;
    (void)ref;
    (void)id;
    (void)out;
    return false;
}

/* The worker is not shown to anyone. */
static void here_look(struct site *s, unsigned worker, struct site_look *out) {
    (void)worker;
    *out = (struct site_look){.busy = here_of(s)->busy};
}

/* --- work --- */

/* Is there an errand to run? One is reported before the next is run. */
static bool has_errand(const struct here *h) {
    return h->errands && !h->errand;
}

static void work_errand(struct here *h, pthread_mutex_t *lock) {
    struct errand *e = h->errands;
    const struct errand_call call = errand_call_of(e->head, e->place.length);
    h->errand_said.len = 0;
    pthread_mutex_unlock(lock);
    tine__inner_errand(h->inner, &call, &h->errand_said);
    pthread_mutex_lock(lock);
    h->errands = e->next;
    h->errand = e;
}

static bool here_has_work(struct site *s) {
    const struct here *h = here_of(s);
    if (h->busy || h->ending)
        return false;
    return h->stage == STAGE_WANTED ||
           (h->stage == STAGE_UP && (h->leaving || has_errand(h) || !list_empty(&h->calls)));
}

static void work_start(struct here *h, pthread_mutex_t *lock) {
    pthread_mutex_unlock(lock);
    h->judgement = tine__inner_start(h->inner, &h->said);
    h->judged_at = tine__now();
    pthread_mutex_lock(lock);
    h->stage = h->judgement == INNER_NO_MEMORY ? STAGE_JUDGED : STAGE_STARTED;
}

static void work_call(struct here *h, pthread_mutex_t *lock) {
    struct here_call *c = LIST_ITEM(h->calls.next, struct here_call, node);
    list_remove(&c->node);
    list_push(&h->told, &c->node);
    c->begun = true;
    pthread_mutex_unlock(lock);
    tine__inner_run(h->inner, &c->call);
    pthread_mutex_lock(lock);
    c->over = true;
}

static void work_end(struct here *h, pthread_mutex_t *lock) {
    pthread_mutex_unlock(lock);
    tine__inner_end(h->inner);
    pthread_mutex_lock(lock);
    h->stage = STAGE_ENDED;
}

static bool here_work(struct site *s, pthread_mutex_t *lock) {
    struct here *h = here_of(s);
    if (!here_has_work(s))
        return false;
    h->busy = true;
    if (h->stage == STAGE_WANTED)
        work_start(h, lock);
    else if (has_errand(h))
        work_errand(h, lock);
    else if (!list_empty(&h->calls))
        work_call(h, lock);
    else
        work_end(h, lock);
    h->busy = false;
    if (h->ending)
        tine__fd_ring(h->manager); /* the end has waited for this */
    return true;
}

/* Wake a waiting thread when there is work, and the manager when the site has ended. */
static void here_flush(struct site *s, uint64_t now) {
    (void)now;
    struct here *h = here_of(s);
    if (here_is_over(h))
        tine__fd_ring(h->manager);
    struct bell waiter = {&h->words[0], h->bell};
    if (here_has_work(s))
        tine__bell_ring_both(&waiter, &waiter, BELL_RESULT);
}

static bool here_want_room(struct site *s, unsigned level) {
    (void)s;
    (void)level;
    return true;
}

/* --- descriptors --- */

static bool here_intact(struct site *s) {
    struct here *h = here_of(s);
    if (!h->gone && !h->lost && !(tine__fd_ours(h->bell) && tine__fd_ours(h->manager))) {
        h->lost = true;
        tine__here_end(h);
    }
    return !h->lost;
}

static unsigned here_poll(struct site *s, struct pollfd fds[SITE_FDS]) {
    (void)s;
    (void)fds;
    return 0;
}

static void here_polled(struct site *s, const struct pollfd *fds, unsigned n) {
    (void)s;
    (void)fds;
    (void)n;
}

static struct heap *here_heap(struct site *s) {
    return here_of(s)->heap;
}

/* --- open and close --- */

static void here_retire(struct site *s) {
    struct here *h = here_of(s);
    if (h->reader)
        tine__heap_retire(h->reader);
    tine__close(&h->bell);
    tine__close(&h->directory.fd);
}

static void here_close(struct site *s) {
    struct here *h = here_of(s);
    here_retire(s);
    tine__inner_free(h->inner);
    tine__here_forget_all(h, &h->calls);
    tine__here_forget_all(h, &h->told);
    tine__here_forget_all(h, &h->withdrawn);
    tine__buf_free(&h->said);
    tine__buf_free(&h->errand_said);
    tine__heap_destroy(h->reader);
    tine__heap_destroy(h->heap);
    tine__shm_close(&h->directory);
    free(h);
}

static const struct site_ops here_ops = {
    .give = tine__here_give,
    .flush = here_flush,
    .want_room = here_want_room,
    .taken = tine__here_taken,
    .progress = here_progress,
    .look = here_look,
    .news = tine__here_news,
    .report = tine__here_report,
    .has_work = here_has_work,
    .work = here_work,
    .poll = here_poll,
    .polled = here_polled,
    .intact = here_intact,
    .heap = here_heap,
    .retire = here_retire,
    .close = here_close,
};

static int open_parts(struct here *h, const struct boot *boot, const struct settings *defaults,
                      const struct inner_chore *timers) {
    int err = tine__shm_create(&h->directory, "tine-heap", HEAP_PAGE);
    struct heap_directory *directory = (struct heap_directory *)h->directory.base;
    if (!err)
        err = tine__heap_create(&h->heap, directory, h->directory.fd, HEAP_PAGE);
    if (!err)
        err = tine__heap_attach(&h->reader, directory, h->directory.fd, false);
    if (!err && (h->bell = tine__fd_event()) == -1)
        err = TINE_ESYSTEM;
    return err ? err : tine__inner_new(&h->inner, boot, h->reader, defaults, timers);
}

int tine__here_open(struct site **out, const struct boot *boot, struct wakeup *manager,
                    struct site_bells *bells, const struct settings *defaults,
                    const struct inner_chore *timers) {
    *out = NULL;
    struct here *h = sys.calloc(1, sizeof *h);
    if (!h)
        return TINE_ENOMEM;
    h->base.ops = &here_ops;
    h->directory = SHM_CLOSED;
    h->bell = -1;
    h->manager = manager->fd;
    list_init(&h->calls);
    list_init(&h->told);
    list_init(&h->withdrawn);
    tine__buf_init(&h->said);
    tine__buf_init(&h->errand_said);
    int err = open_parts(h, boot, defaults, timers);
    if (err) {
        int saved = errno;
        here_close(&h->base);
        errno = saved;
        return err;
    }
    bells->waiter = (struct bell){&h->words[0], h->bell};
    bells->manager = (struct bell){&h->words[1], manager->fd};
    *out = &h->base;
    return 0;
}
