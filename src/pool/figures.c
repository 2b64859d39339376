#include "pool/figures.h"

#include <stdio.h>
#include <string.h>
#include "base/error.h"
#include "base/hot.h"
#include "codec/segment.h"
#include "pool/internal.h"

/* --- the slowest tasks --- */

static void describe(struct figures_task *f, const struct item *item, uint32_t k) {
    *f = (struct figures_task){.id = item->name.id + k, .worker = item->task.worker};
    tine__label(&item->name, k, f->label, sizeof f->label);
}

static void insert(struct figures *f, const struct item *item, uint32_t k, uint64_t ran,
                   uint64_t ended) {
    unsigned i = FIGURES_TOLD - 1;
    for (; i > 0 && f->slowest[i - 1].ran < ran; i--)
        f->slowest[i] = f->slowest[i - 1];
    describe(&f->slowest[i], item, k);
    f->slowest[i].ran = ran;
    f->slowest[i].ended = ended;
}

/* --- all tasks --- */

HOT void tine__figures_ran(struct pool *p, const struct item *item, uint32_t k, uint64_t started,
                           uint64_t ended) {
    struct figures *f = &p->figures;
    uint64_t ready = item->task.ready;
    if (started < item->task.since || ended < started) /* not known, or not plausible */
        return;
    histogram_add(&f->wait, started > ready ? started - ready : 0);
    histogram_add(&f->run, ended - started);
    if (ended - started > f->slowest[FIGURES_TOLD - 1].ran)
        insert(f, item, k, ended - started, ended);
}

void tine__figures_through(struct pool *p, const struct item *item, uint64_t ended) {
    uint64_t heard = p->heard > ended ? p->heard : ended;
    if (heard >= item->task.since)
        histogram_add(&p->figures.round_trip, heard - item->task.since);
}

/* --- failed tasks --- */

static void say(struct figures_task *f, const struct outcome *o) {
    size_t length = 0;
    const struct failure *failure = tine__outcome_failure(o);
    const char *text = failure ? failure->message : NULL;
    if (text)
        length = strlen(text);
    else if (!failure)
        text = tine__outcome_bytes(o, &length);
    if (text && o->state == OUTCOME_ERROR)
        text = segment_error_text(text, length, &length);
    if (!text && o->state == OUTCOME_ERROR) {
        text = "(an error that is no text)";
        length = strlen(text);
    }
    if (!text || length == 0) {
        text = tine_error_text(o->code);
        length = strlen(text);
    }
    snprintf(f->text, sizeof f->text, "%.*s", (int)(length < 1000 ? length : 1000), text);
}

void tine__figures_failed(struct pool *p, const struct item *item, uint32_t k) {
    struct figures *f = &p->figures;
    const struct outcome *o = &item->outcomes[k];
    struct figures_task *told = &f->last[f->lasts++ % FIGURES_TOLD];
    f->failed[-o->code % FIGURES_CODES]++;
    describe(told, item, k);
    told->ended = item->task.call.count == 1 ? item->ended : p->heard;
    told->ran = item->started && told->ended > item->started ? told->ended - item->started : 0;
    told->code = o->code;
    say(told, o);
}

/* Counts the items that a worker has taken up: it runs one task of each. */
uint64_t tine__pool_running(struct pool *p) {
    uint64_t n = 0;
    for (uint32_t ref = 0; ref < p->s.nrefs && !pool_site_is_gone(p); ref++)
        if (p->s.sent[ref])
            n += p->site->ops->taken(p->site, ref);
    return n;
}
