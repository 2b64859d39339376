/* The end of a worker, as reports. Before it come its last results, and the calls
** that are lost with it. */
#include <errno.h>
#include <sys/wait.h>
#include "site/local/internal.h"
#include "worker/protocol.h"

void tine__local_begin_death(struct local *l, const struct report *r) {
    l->death = *r;
    l->death_ref = 0;
    l->death_level = tine__link_levels(&l->lanes[r->worker]->link);
    l->death_told = false;
    l->death_seq = 0;
    for (uint32_t ref = 0; ref < l->nrefs; ref++)
        if (!l->handed[ref].letter && l->handed[ref].seq > l->death_seq &&
            tine__local_who(l, ref) == r->worker)
            l->death_seq = l->handed[ref].seq;
}

/* The first task of the call that the dead worker had not begun. All calls but the one it took last
** it had finished, even if their answers could not be read (rubbish lay before them). */
static uint64_t first_unbegun(struct local *l, const struct handed *h, uint64_t *since) {
    uint64_t id;
    *since = 0;
    bool last = h->letter ? !tine__local_was_read(l, h) : h->seq == l->death_seq;
    if (tine__link_find(&l->lanes[l->death.worker]->link, h->id, h->count, &id, since) != RUN_IDLE)
        return id + 1;
    return last ? h->id : h->id + h->count;
}

/* Report one call as lost. If the worker had not even begun it, its bytes are still in the slot:
** the pool need not have kept them. */
static void lose(struct local *l, uint32_t ref, struct report *r) {
    struct handed *h = &l->handed[ref];
    unsigned owner;
    *r = (struct report){.kind = REPORT_LOST, .worker = l->death.worker, .ref = ref};
    r->id = first_unbegun(l, h, &r->started);
    const struct queue_slot *slot = h->letter ? NULL : tine__queue_slot(&l->queue, h->seq);
    if (slot && tine__queue_state(&l->queue, h->seq, &owner) == SLOT_TAKEN && !slot->call.offset) {
        r->bytes = slot->bytes;
        r->length = slot->call.length;
    }
    h->seq = 0;
}

/* The dead worker's call that contains this task; nrefs: none. */
static uint32_t find_call(struct local *l, uint64_t id) {
    uint32_t ref = 0;
    while (ref < l->nrefs &&
           !(l->handed[ref].seq && id - l->handed[ref].id < l->handed[ref].count &&
             tine__local_who(l, ref) == l->death.worker))
        ref++;
    return ref;
}

/* Before a loss: report what the running task of the call has printed. False: nothing. */
static bool tell_last_output(struct local *l, uint32_t ref, struct report *r) {
    struct handed *h = &l->handed[ref];
    struct lane *lane = l->lanes[l->death.worker];
    uint64_t since;
    if (h->output == OUTPUT_INHERIT)
        return false;
    *r = (struct report){.worker = l->death.worker, .ref = ref};
    bool none = tine__link_find(&lane->link, h->id, h->count, &r->id, &since) == RUN_IDLE ||
                lane->output_told == r->id;
    bool told = !none && tine__local_tell_printed(l, lane, r);
    h->output = OUTPUT_INHERIT;
    return told;
}

/* Report the next call that the dead worker had taken; calls that ran on top of others come
** first. */
static bool next_loss(struct local *l, struct report *r) {
    while (l->death_level > 1) {
        uint64_t id = tine__link_at(&l->lanes[l->death.worker]->link, l->death_level - 1);
        uint32_t ref = find_call(l, id);
        if (ref < l->nrefs && tell_last_output(l, ref, r))
            return true;
        l->death_level--;
        if (ref < l->nrefs)
            return lose(l, ref, r), true;
    }
    for (; l->death_ref < l->nrefs; l->death_ref++) {
        uint32_t ref = l->death_ref;
        if (!l->handed[ref].seq || tine__local_who(l, ref) != l->death.worker)
            continue;
        if (!tell_last_output(l, ref, r))
            lose(l, ref, r); /* this clears seq: the call belongs to nobody now */
        return true;
    }
    return false;
}

/* Report the last progress of the task that the worker was running. */
static bool last_words(struct local *l, struct report *r) {
    uint64_t id, since;
    unsigned worker = l->death.worker;
    const struct link *link = &l->lanes[worker]->link;
    bool told = l->death_told;
    l->death_told = true;
    if (told || tine__link_running(link, &id, &since) == RUN_IDLE ||
        !tine__link_progress(link, id, &l->last))
        return false;
    for (uint32_t ref = 0; ref < l->nrefs; ref++)
        if (l->handed[ref].seq == l->death_seq && id - l->handed[ref].id < l->handed[ref].count) {
            *r = (struct report){.kind = REPORT_PROGRESS, .worker = worker, .ref = ref, .id = id};
            r->bytes = (const char *)&l->last;
            r->length = progress_size(&l->last);
            return true;
        }
    return false;
}

bool tine__local_tell_death(struct local *l, struct report *r) {
    unsigned worker = l->death.worker;
    if (tine__local_read_lane(l, worker, r) || last_words(l, r) || next_loss(l, r))
        return true;
    *r = l->death;
    r->spoilt = l->lanes[worker]->spoilt;
    /* the program's own code may exit with this status, too; but then the
    ** worker had attached its link */
    bool speechless = WIFEXITED(r->status) && WEXITSTATUS(r->status) == WORKER_SPEECHLESS &&
                      !tine__link_attached(&l->lanes[worker]->link);
    r->unfit = speechless ? ENOMEM : l->lanes[worker]->unfit;
    l->death.kind = REPORT_NONE;
    tine__queue_bury(&l->queue, worker);
    tine__local_forget(l, worker);
    return true;
}
