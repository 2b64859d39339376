/* Statistics and lists of workers. */
#include <sched.h>
#include <string.h>
#include "base/error.h"
#include "base/proc.h"
#include "base/sys.h"
#include "pool/internal.h"
#include "site/far/far.h"

#define PIDS_PATIENCE (100 * MILLISECOND)

/* --- sums over all workers --- */

static double seconds(uint64_t ns) {
    return (double)ns / 1e9;
}

/* Processor time that workers have used. A worker that is just being reaped is missing from the
** sum, hence the maximum. */
static uint64_t spent(struct pool *p) {
    uint64_t sum = p->figures.spent;
    for (unsigned w = 1; w <= p->s.top && !p->in_process; w++)
        if (p->s.workers[w].state != WORKER_NONE && p->s.workers[w].pid)
            sum += tine__proc_spent(p->s.workers[w].pid);
    if (sum > p->figures.most)
        p->figures.most = sum;
    return p->figures.most;
}

static uint64_t past(uint64_t since, uint64_t now) {
    return since && since < now ? now - since : 0;
}

/* Sum of the workers' lifetimes. */
static uint64_t lived(const struct pool *p, uint64_t now) {
    uint64_t sum = p->s.lived;
    if (p->far)
        return tine__remotes_lived(p, now);
    for (unsigned w = 1; w <= p->s.top; w++)
        if (p->s.workers[w].state != WORKER_NONE)
            sum += past(p->s.workers[w].since, now);
    return sum;
}

/* How long the tasks have run that are running now. */
static uint64_t running_for(struct pool *p, uint64_t now) {
    struct site_look look;
    uint64_t sum = 0;
    if (p->far)
        return tine__remotes_busy(p, now);
    for (unsigned w = 1; w <= p->s.top && !pool_site_is_gone(p); w++)
        if (p->s.workers[w].state != WORKER_NONE) {
            p->site->ops->look(p->site, w, &look);
            sum += past(look.since, now);
        }
    return sum;
}

static double share(uint64_t part, uint64_t whole) {
    double s = whole ? (double)part / (double)whole : 0;
    return s < 1 ? s : 1;
}

/* --- statistics --- */

static void measure(struct pool *p, struct pool_stats *out) {
    const struct figures *f = &p->figures;
    uint64_t now = tine__now();
    tine__histogram_read(&f->wait, &out->wait);
    tine__histogram_read(&f->run, &out->run);
    tine__histogram_read(&f->round_trip, &out->round_trip);
    out->bytes_in = f->bytes_in;
    out->bytes_out = f->bytes_out;
    memcpy(out->by_code, f->failed, sizeof out->by_code);
    out->cpu = seconds(spent(p));
    out->busy = share(f->run.sum + running_for(p, now), lived(p, now));
}

void tine__pool_stats(struct pool *p, struct pool_stats *out) {
    memset(out, 0, sizeof *out);
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    if (!pool_site_is_gone(p))
        tine__take_in(p, false);
    out->submitted = p->submitted;
    out->finished = p->ends.finished;
    out->failed = p->ends.failed;
    out->cancelled = p->ends.cancelled;
    out->workers_started = p->in_process || p->far ? 0 : p->s.started;
    out->workers_lost = p->in_process || p->far ? 0 : p->s.lost_ones;
    out->running = tine__pool_running(p);
    out->pending = out->submitted - out->finished - out->failed - out->cancelled - out->running;
    measure(p, out);
    pthread_mutex_unlock(&p->lock);
}

uint64_t tine__stats_of_kind(const struct pool_stats *s, int code) {
    uint64_t n = 0;
    for (int i = 1; i < FIGURES_CODES; i++)
        if (s->by_code[i] && strcmp(error_kind_of(-i), error_kind_of(-code)) == 0) {
            if (i < code)
                return 0;
            n += s->by_code[i];
        }
    return s->by_code[code] ? n : 0;
}

unsigned tine__pool_hosts(struct pool *p, struct far_host *out, unsigned most) {
    unsigned n = 0;
    if (tine__pool_is_forked(p) || !p->far)
        return 0;
    pthread_mutex_lock(&p->lock);
    tine__take_in(p, true);
    if (!pool_site_is_gone(p))
        n = tine__far_hosts(p->site, out, most);
    pthread_mutex_unlock(&p->lock);
    return n;
}

void tine__pool_told(struct pool *p, struct figures_told *out) {
    const struct figures *f = &p->figures;
    memset(out, 0, sizeof *out);
    if (tine__pool_is_forked(p))
        return;
    pthread_mutex_lock(&p->lock);
    memcpy(out->slowest, f->slowest, sizeof out->slowest);
    for (unsigned i = 0; i < FIGURES_TOLD && i < f->lasts; i++) /* the last one first */
        out->last[i] = f->last[(f->lasts - 1 - i) % FIGURES_TOLD];
    uint64_t now = tine__now();
    out->lived = seconds(lived(p, now));
    out->starting = seconds(p->s.starting);
    out->calls = p->calls;
    out->slots = p->remotes.slots;
    out->elapsed = seconds(now - f->began);
    pthread_mutex_unlock(&p->lock);
}

/* --- workers --- */

static bool knows_pids(const struct pool *p) {
    for (unsigned w = 1; w <= p->s.top; w++)
        if (p->s.workers[w].state != WORKER_NONE && p->s.workers[w].pid == 0)
            return false;
    return true;
}

/* A worker may run a task before its process id was read. Read what has come, and give the fork
** server a moment for workers that it is just forking. */
static void learn_pids(struct pool *p) {
    uint64_t end = tine__now() + PIDS_PATIENCE;
    while (!pool_site_is_gone(p) && !knows_pids(p)) {
        tine__take_in(p, true);
        if (knows_pids(p) || tine__now() >= end)
            break;
        pthread_mutex_unlock(&p->lock);
        sched_yield();
        pthread_mutex_lock(&p->lock);
    }
    if (pool_site_is_gone(p)) /* the end was taken in here, so the manager must be told */
        tine__wakeup_send(&p->wakeup);
}

static const char *state_name(const struct worker *w, const struct site_look *look) {
    if (w->state == WORKER_STARTING)
        return "starting";
    if (w->state != WORKER_READY)
        return "ending";
    return look->busy ? "running" : "idle";
}

static void describe(struct pool *p, unsigned id, uint64_t now, struct worker_info *out) {
    const struct worker *w = &p->s.workers[id];
    struct site_look look = {0};
    if (!pool_site_is_gone(p))
        p->site->ops->look(p->site, id, &look);
    *out = (struct worker_info){.id = id,
                                .pid = w->pid,
                                .state = state_name(w, &look),
                                .tasks = w->tasks,
                                .task = look.id,
                                .since = look.since ? look.since : w->changed,
                                .busy = share(w->ran + past(look.since, now), past(w->since, now))};
}

static int by_task(const void *a, const void *b) {
    const struct worker_info *x = *(struct worker_info *const *)a,
                             *y = *(struct worker_info *const *)b;
    return x->task < y->task ? -1 : x->task > y->task;
}

/* The worker that runs an unfinished task of this item; NULL: none. `by` is sorted by task. */
static struct worker_info *find_runner(struct worker_info **by, unsigned n,
                                       const struct task *task) {
    unsigned low = 0, high = n;
    uint64_t first = task->call.id + task->next, end = task->call.id + task->call.count;
    while (low < high) {
        unsigned middle = (low + high) / 2;
        if (by[middle]->task < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < n && by[low]->task < end ? by[low] : NULL;
}

/* The worker's task has ended, as its future tells, though the worker may not have noted it yet. */
static void show_ended(struct worker_info *w) {
    w->task = 0;
    if (strcmp(w->state, "running") == 0)
        w->state = "idle";
}

/* Set the labels of the workers' tasks, as far as these are known. */
static void name_tasks(struct pool *p, struct worker_info *list, unsigned n) {
    struct worker_info **by = sys.malloc(n * sizeof *by);
    for (unsigned i = 0; by && i < n; i++)
        by[i] = &list[i];
    if (by)
        qsort(by, n, sizeof *by, by_task);
    for (uint32_t ref = 0; by && ref < p->s.nrefs; ref++) {
        struct task *t = p->s.sent[ref];
        struct worker_info *w = t ? find_runner(by, n, t) : NULL;
        if (!w)
            continue;
        tine__label(&item_of(t)->name, (uint32_t)(w->task - t->call.id), w->label, sizeof w->label);
        w->known = true;
    }
    free(by);
    for (unsigned i = 0; i < n; i++)
        if (list[i].task && !list[i].known)
            show_ended(&list[i]);
}

static unsigned describe_all(struct pool *p, uint64_t now, struct worker_info *out, unsigned max) {
    unsigned n = 0;
    for (unsigned w = 1; w <= p->s.top; w++) {
        if (p->s.workers[w].state == WORKER_NONE)
            continue;
        if (n < max)
            describe(p, w, now, &out[n]);
        n++;
    }
    return n;
}

static unsigned list_workers(struct pool *p, struct worker_info *out, unsigned max, bool wait) {
    if (tine__pool_is_forked(p) || p->in_process)
        return 0;
    pthread_mutex_lock(&p->lock);
    if (wait && !p->far)
        learn_pids(p);
    if (!pool_site_is_gone(p))
        tine__take_in(p, p->far);
    uint64_t now = tine__now();
    unsigned n = p->far ? tine__remotes_list(p, now, out, max) : describe_all(p, now, out, max);
    if (max)
        name_tasks(p, out, n < max ? n : max);
    pthread_mutex_unlock(&p->lock);
    return n;
}

unsigned tine__pool_workers(struct pool *p, struct worker_info *out, unsigned max) {
    return list_workers(p, out, max, true);
}

#define MORE 4 /* workers that may be started between the two calls */

static struct worker_info *all_workers(struct pool *p, unsigned *n, bool wait) {
    unsigned room = list_workers(p, NULL, 0, wait) + MORE;
    struct worker_info *list = sys.malloc(room * sizeof *list);
    if (!list)
        return NULL;
    *n = list_workers(p, list, room, wait);
    *n = *n < room ? *n : room;
    return list;
}

struct worker_info *tine__pool_all_workers(struct pool *p, unsigned *n) {
    return all_workers(p, n, true);
}

struct worker_info *tine__pool_known_workers(struct pool *p, unsigned *n) {
    return all_workers(p, n, false);
}

uint64_t tine__worker_memory(const struct worker_info *w) {
    return w->host[0] ? w->memory : w->pid ? tine__proc_memory(w->pid) : 0;
}

struct failure *tine__pool_reason(struct pool *p) {
    if (tine__pool_is_forked(p))
        return NULL;
    pthread_mutex_lock(&p->lock);
    struct failure *f = tine__failure_ref(p->reason);
    pthread_mutex_unlock(&p->lock);
    return f;
}

bool tine__pool_is_far(const struct pool *p) {
    return p->far;
}

bool tine__pool_is_here(const struct pool *p) {
    return p->in_process;
}

bool tine__pool_is_open(struct pool *p) {
    if (tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool open = p->s.life == LIFE_OPEN;
    pthread_mutex_unlock(&p->lock);
    return open;
}
