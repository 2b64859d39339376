/* The state of a pool as msgpack (show.h): a map with
**
**     format    1
**     version   of Tine
**     pid       the program's own, in its pid namespace
**     name      the pool's
**     elapsed   seconds since it was opened
**     stats     as pool:stats(), without workers
**     workers   a list: as in pool:stats()
**     hosts     a list, only if its workers are on other machines: host, slots, running, tasks
**     slowest, failed    lists of tasks: id, label, worker, seconds, ended (tine.clock());
**               failed ones also kind, error
**
** Names and meanings never change; readers skip keys that they do not know.
*/
#include <string.h>
#include <unistd.h>
#include "base/error.h"
#include "base/sys.h"
#include "codec/pack.h"
#include "pool/internal.h"
#include "site/far/far.h"

#define STATE_ROOM 32768u /* bytes for everything but workers */
#define WORKER_ROOM (512u + FIGURES_LABEL + REMOTE_HOST)
#define HOSTS 64 /* most hosts listed */

/* --- basic values --- */

static void text_n(struct buf *b, const char *s, size_t n) {
    pack_str(b, n);
    pack_bytes(b, s, n);
}

static void text(struct buf *b, const char *s) {
    text_n(b, s, strlen(s));
}

static void text_of(struct buf *b, const char *key, const char *s) {
    text(b, key);
    text(b, s);
}

static void count_of(struct buf *b, const char *key, uint64_t n) {
    text(b, key);
    pack_uint64(b, n);
}

static void number_of(struct buf *b, const char *key, double n) {
    text(b, key);
    pack_double(b, n);
}

static void list_of(struct buf *b, const char *key, size_t n) {
    text(b, key);
    pack_array(b, n);
}

/* --- statistics --- */

static void times_of(struct buf *b, const char *key, const struct histogram_summary *h) {
    text(b, key);
    pack_map(b, 7);
    count_of(b, "count", h->count);
    number_of(b, "mean", h->mean);
    number_of(b, "max", h->max);
    number_of(b, "p50", h->p50);
    number_of(b, "p90", h->p90);
    number_of(b, "p99", h->p99);
    number_of(b, "p999", h->p999);
}

static void kinds_of(struct buf *b, const struct pool_stats *s) {
    size_t n = 0;
    for (int i = 1; i < FIGURES_CODES; i++)
        n += tine__stats_of_kind(s, i) > 0;
    text(b, "by_kind");
    pack_map(b, n);
    for (int i = 1; i < FIGURES_CODES; i++)
        if (tine__stats_of_kind(s, i) > 0)
            count_of(b, error_kind_of(-i), tine__stats_of_kind(s, i));
}

static void stats_of(struct buf *b, const struct pool_stats *s) {
    text(b, "stats");
    pack_map(b, 16);
    count_of(b, "submitted", s->submitted);
    count_of(b, "pending", s->pending);
    count_of(b, "running", s->running);
    count_of(b, "finished", s->finished);
    count_of(b, "failed", s->failed);
    count_of(b, "cancelled", s->cancelled);
    count_of(b, "workers_started", s->workers_started);
    count_of(b, "workers_lost", s->workers_lost);
    times_of(b, "wait", &s->wait);
    times_of(b, "run", &s->run);
    times_of(b, "round_trip", &s->round_trip);
    count_of(b, "bytes_in", s->bytes_in);
    count_of(b, "bytes_out", s->bytes_out);
    kinds_of(b, s);
    number_of(b, "cpu", s->cpu);
    number_of(b, "busy", s->busy);
}

/* --- workers --- */

static void worker(struct buf *b, const struct worker_info *w, const char *host) {
    pack_map(b, 8 + (w->task != 0));
    count_of(b, "id", w->id);
    count_of(b, "pid", (uint64_t)w->pid);
    text_of(b, "state", w->state);
    count_of(b, "tasks", w->tasks);
    number_of(b, "busy", w->busy);
    count_of(b, "memory", tine__worker_memory(w));
    number_of(b, "since", (double)w->since / 1e9);
    text_of(b, "host", host);
    if (!w->task)
        return;
    text(b, "task");
    pack_map(b, 2);
    count_of(b, "id", w->task);
    text_of(b, "label", w->label);
}

static void workers_of(struct buf *b, const struct worker_info *list, unsigned n) {
    char host[128] = "";
    if (gethostname(host, sizeof host - 1))
        host[0] = '\0';
    list_of(b, "workers", n);
    for (unsigned i = 0; i < n; i++)
        worker(b, &list[i], list[i].host[0] ? list[i].host : host);
}

/* The other machines that the workers are on. */
static void hosts_of(struct buf *b, const struct far_host *list, unsigned n) {
    list_of(b, "hosts", n);
    for (unsigned i = 0; i < n; i++) {
        pack_map(b, 4);
        text_of(b, "host", list[i].name);
        count_of(b, "slots", list[i].slots);
        count_of(b, "running", list[i].running);
        count_of(b, "tasks", list[i].tasks);
    }
}

/* --- tasks --- */

static void tasks_of(struct buf *b, const char *key, const struct figures_task *list) {
    size_t n = 0;
    while (n < FIGURES_TOLD && list[n].id)
        n++;
    list_of(b, key, n);
    for (size_t i = 0; i < n; i++) {
        const struct figures_task *t = &list[i];
        pack_map(b, t->code ? 7 : 5);
        count_of(b, "id", t->id);
        text_of(b, "label", t->label);
        count_of(b, "worker", t->worker);
        number_of(b, "seconds", (double)t->ran / 1e9);
        number_of(b, "ended", (double)t->ended / 1e9);
        if (t->code) {
            text_of(b, "kind", error_kind_of(t->code));
            text_of(b, "error", t->text);
        }
    }
}

/* --- the whole --- */

static void state(struct pool *p, const struct worker_info *list, unsigned n, struct buf *b) {
    struct far_host hosts[HOSTS];
    unsigned nhosts = tine__pool_hosts(p, hosts, HOSTS);
    nhosts = nhosts < HOSTS ? nhosts : HOSTS;
    struct pool_stats s;
    struct figures_told told;
    tine__pool_stats(p, &s);
    tine__pool_told(p, &told);
    pack_map(b, p->far ? 10 : 9);
    count_of(b, "format", 1);
    text_of(b, "version", TINE_VERSION);
    count_of(b, "pid", (uint64_t)getpid());
    text_of(b, "name", p->show.name);
    number_of(b, "elapsed", told.elapsed);
    stats_of(b, &s);
    if (p->far)
        hosts_of(b, hosts, nhosts);
    workers_of(b, list, n);
    tasks_of(b, "slowest", told.slowest);
    tasks_of(b, "failed", told.last);
}

int tine__show_state(struct pool *p, struct buf *out) {
    unsigned n;
    struct worker_info *list = tine__pool_all_workers(p, &n);
    if (!list)
        return TINE_ENOMEM;
    int err = buf_reserve(out, STATE_ROOM + n * WORKER_ROOM);
    if (!err)
        state(p, list, n, out);
    free(list);
    return err;
}

int tine__show_place(const struct worker_info *w, uint64_t task, const char *how, const char *place,
                     size_t length, struct buf *out) {
    int err = buf_reserve(out, STATE_ROOM + length);
    if (err)
        return err;
    pack_map(out, 6);
    count_of(out, "task", task);
    count_of(out, "worker", w->id);
    count_of(out, "pid", (uint64_t)w->pid);
    text_of(out, "label", w->label);
    text_of(out, "how", how);
    text(out, "place");
    text_n(out, place, length);
    return 0;
}
