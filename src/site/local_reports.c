/* Reports of the local site: what workers have written into their rings, and what the fork server says.
**
** Results come before deaths: a worker may finish a task and die, and what it sent still counts. So a
** worker's end is put aside when it is heard (`death`) until its ring is empty and the calls that it had
** taken were reported lost.
*/
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include "base/error.h"
#include "base/hot.h"
#include "base/sys.h"
#include "ipc/control.h"
#include "site/local.h"
#include "site/printer.h"
#include "worker/protocol.h"

/* --- rings --- */

/* Done with what was reported last. */
static void give_back(struct local *l) {
    struct lane *lane = l->reading;
    if (l->told)
        tine__local_told_output(l);
    if (!lane)
        return;
    l->reading = NULL;
    if (lane->carried.list)
        tine__lane_drop_carried(lane);
    if (l->kept)
        lane->refs++;
    else if (l->large)
        tine__heap_release(lane->link.heap, l->block);
    tine__link_next(&lane->link);
}

void tine__local_keep(struct site *s, const struct report *r) {
    struct local *l = local_of(s);
    assert(l->reading && l->large && r->offset == l->block);
    (void)r;
    l->kept = true;
}

COLD static void rubbish(struct lane *lane, unsigned worker, struct report *r) {
    lane->broken = true;
    *r = (struct report){.kind = REPORT_RUBBISH, .worker = worker};
}

/* A call that this worker was given? */
static inline bool has_call(struct local *l, unsigned worker, uint32_t ref) {
    return ref < l->nrefs && l->handed[ref].seq && tine__local_who(l, ref) == worker;
}

/* ... and the task is one of it? */
static inline bool is_its_call(struct local *l, unsigned worker, const struct report *r) {
    return has_call(l, worker, r->ref) && r->id - l->handed[r->ref].id < l->handed[r->ref].count;
}

static void describe(struct local *l, struct lane *lane, const struct record *head,
                     struct report *r) {
    static const uint8_t kinds[RECORD_KINDS] = {
        [RECORD_READY] = REPORT_READY,       [RECORD_VALUES] = REPORT_VALUES,
        [RECORD_ERROR] = REPORT_ERROR,       [RECORD_REFUSED] = REPORT_REFUSED,
        [RECORD_STOPPED] = REPORT_STOPPED,   [RECORD_FAILED] = REPORT_INITIALIZER,
        [RECORD_LEAVING] = REPORT_LEAVING,   [RECORD_IDLE] = REPORT_IDLE,
        [RECORD_PROGRESS] = REPORT_PROGRESS, [RECORD_MEMORY] = REPORT_MEMORY,
        [RECORD_ENDED] = REPORT_ENDED,       [RECORD_SUBMIT] = REPORT_SUBMIT,
        [RECORD_AWAIT] = REPORT_AWAIT,       [RECORD_CANCEL] = REPORT_CANCEL,
        [RECORD_EVENT] = REPORT_EVENT,       [RECORD_RAN] = REPORT_RAN,
        [RECORD_FAULT] = REPORT_FAULT};
    r->kind = kinds[head->kind];
    r->ref = head->ref;
    r->id = head->id;
    r->started = lane->link.times.started;
    r->ended = lane->link.times.ended;
    r->large = head->large;
    r->carried = lane->carried.n > 0 ? &lane->carried : NULL;
    r->lane = lane;
    r->offset = l->block = head->large ? tine__link_block(head, &lane->link) : 0;
    l->reading = lane;
    l->large = head->large && !r->error;
    l->kept = false;
}

/* ... all of it, or the first piece. */
static bool tell_printed(struct local *l, struct lane *lane, struct report *r) {
    if (l->handed[r->ref].output == OUTPUT_RELAY) {
        tine__local_finish_output(l, lane, r->id);
        return tine__local_tell_relayed(l, r); /* the rest comes before anything else */
    }
    tine__local_tell_output(l, lane, r);
    return true;
}

/* A task whose output comes to us has ended: what it has printed is reported first. */
static bool tell_output(struct local *l, struct lane *lane, const struct record *head,
                        struct report *r) {
    bool result = head->kind >= RECORD_VALUES && head->kind <= RECORD_REFUSED;
    result |= head->kind == RECORD_MEMORY || head->kind == RECORD_ENDED;
    r->ref = head->ref;
    r->id = head->id;
    if (!result || r->ref >= l->nrefs || l->handed[r->ref].output == OUTPUT_INHERIT ||
        !is_its_call(l, r->worker, r) || lane->output_told == r->id)
        return false;
    lane->output_told = r->id;
    return tell_printed(l, lane, r);
}

/* The worker is about to send a result that names these regions: they are ours to hold from now on. */
static void take_carried(struct local *l, struct lane *lane, const char *bytes, uint64_t length) {
    struct handle h;
    for (; length >= sizeof h; bytes += sizeof h, length -= sizeof h) {
        memcpy(&h, bytes, sizeof h);
        tine__carried_take(&lane->carried, l->arena, lane->seat, &h);
    }
    tine__link_next(&lane->link);
}

static bool read_lane(struct local *l, unsigned worker, struct report *r);

/* What was found there, at `r->bytes`, is not just a result. */
COLD static bool read_other(struct local *l, struct lane *lane, int err, const struct record *head,
                            struct report *r) {
    unsigned worker = r->worker;
    if (err == TINE_EAGAIN)
        return false;
    if (err && err != TINE_ESYSTEM) {
        rubbish(lane, worker, r);
        return true;
    }
    if (err) { /* no memory to map the block: that answer is lost */
        r->error = errno;
        r->bytes = NULL;
        r->length = 0;
    }
    if (head->kind == RECORD_CARRIED && !head->large) {
        take_carried(l, lane, r->bytes, r->length);
        return read_lane(l, worker, r);
    }
    if (head->kind == RECORD_SPOILT) { /* its end follows, and says so */
        lane->spoilt = lane->broken = true;
        return false;
    }
    if (head->kind == RECORD_UNFIT) {
        lane->unfit = (int)head->id;
        lane->broken = true;
        return false;
    }
    if (l->captures && tell_output(l, lane, head, r))
        return true;
    describe(l, lane, head, r);
    bool result = report_is_result(r);
    if (!result && r->kind != REPORT_READY)
        r->started = r->ended = 0;
    if (result)
        lane->output_told = 0; /* another attempt has the same id */
    else if (r->kind == REPORT_EVENT)
        r->number = lane->link.events++;
    bool may_be_past =
        r->kind == REPORT_STOPPED || r->kind == REPORT_EVENT || r->kind == REPORT_FAULT;
    bool its = r->kind == REPORT_FAULT ? has_call(l, worker, r->ref) : is_its_call(l, worker, r);
    if (!(result || may_be_past || report_is_nested(r)) || its)
        return true;
    give_back(l);
    if (may_be_past) /* what was cancelled of it has ended, and perhaps another call has its number */
        return read_lane(l, worker, r);
    rubbish(lane, worker, r);
    return true;
}

/* The next record of the lane. */
static bool read_lane(struct local *l, unsigned worker, struct report *r) {
    struct lane *lane = l->lanes[worker];
    struct record head;
    if (lane->broken || !tine__link_pending(&lane->link))
        return false;
    *r = (struct report){.worker = worker};
    int err = tine__link_peek(&lane->link, &head, &r->bytes, &r->length);
    if (err || l->captures || head.kind < RECORD_VALUES || head.kind > RECORD_REFUSED)
        return read_other(l, lane, err, &head, r);
    describe(l, lane, &head, r); /* a result, as nearly always */
    if (is_its_call(l, worker, r))
        return true;
    give_back(l);
    rubbish(lane, worker, r);
    return true;
}

/* One more result of the call that the last one was of, as nearly always in a chunk: small, by itself, and read from the
** ring already. All else of the report is as it was. */
static bool read_again(struct local *l, struct report *r) {
    struct lane *lane = l->reading;
    const struct handed *h = &l->handed[r->ref];
    struct record head;
    if (r->id + 1 - h->id >= h->count || !lane || r->large || r->carried || lane->carried.list ||
        l->captures)
        return false;
    l->reading = NULL;
    tine__link_next(&lane->link);
    if (!link_has_more(&lane->link) || tine__link_peek(&lane->link, &head, &r->bytes, &r->length) ||
        head.kind != RECORD_VALUES || head.large || head.ref != r->ref || head.id != r->id + 1)
        return false;
    r->id = head.id;
    r->started = lane->link.times.started;
    r->ended = lane->link.times.ended;
    l->reading = lane;
    return true;
}

static bool read_rings(struct local *l, struct report *r) {
    for (; l->cursor <= l->top; l->cursor++)
        if (l->lanes[l->cursor] && read_lane(l, l->cursor, r))
            return true;
    l->cursor = 1;
    return false;
}

/* --- a worker's end --- */

/* A death has been heard: which call had the worker taken last? */
COLD static void begin_death(struct local *l, const struct report *r) {
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

/* The first task of the call that the dead worker had not begun. All but the call that it had taken last it had
** finished, though what it said of that was not read (rubbish lay before it). */
static uint64_t first_unbegun(struct local *l, const struct handed *h, uint64_t *since) {
    uint64_t id;
    *since = 0;
    bool last = h->letter ? !tine__local_was_read(l, h) : h->seq == l->death_seq;
    if (tine__link_find(&l->lanes[l->death.worker]->link, h->id, h->count, &id, since) != RUN_IDLE)
        return id + 1;
    return last ? h->id : h->id + h->count;
}

/* One call is lost. The bytes of one that it had not even begun are still in its slot:
** who handed it over need not have kept them. */
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

/* The call of the dead worker that has this task; nrefs: none. */
static uint32_t find_call(struct local *l, uint64_t id) {
    uint32_t ref = 0;
    while (ref < l->nrefs &&
           !(l->handed[ref].seq && id - l->handed[ref].id < l->handed[ref].count &&
             tine__local_who(l, ref) == l->death.worker))
        ref++;
    return ref;
}

/* What the task of this call has printed that was under way is told before. */
static bool tell_last_output(struct local *l, uint32_t ref, struct report *r) {
    struct handed *h = &l->handed[ref];
    struct lane *lane = l->lanes[l->death.worker];
    uint64_t since;
    if (h->output == OUTPUT_INHERIT)
        return false;
    *r = (struct report){.worker = l->death.worker, .ref = ref};
    bool none = tine__link_find(&lane->link, h->id, h->count, &r->id, &since) == RUN_IDLE ||
                lane->output_told == r->id;
    bool told = !none && tell_printed(l, lane, r);
    h->output = OUTPUT_INHERIT;
    return told;
}

/* The next call that the dead worker had taken: those that lay on top of others first. */
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
            lose(l, ref, r); /* then it is nobody's */
        return true;
    }
    return false;
}

/* What the dead worker's task has said last. */
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

COLD static bool tell_death(struct local *l, struct report *r) {
    unsigned worker = l->death.worker;
    if (read_lane(l, worker, r) || last_words(l, r) || next_loss(l, r))
        return true;
    *r = l->death;
    r->spoilt = l->lanes[worker]->spoilt;
    /* code of the program's may end with that, too */
    bool speechless = WIFEXITED(r->status) && WEXITSTATUS(r->status) == WORKER_SPEECHLESS &&
                      !tine__link_attached(&l->lanes[worker]->link);
    r->unfit = speechless ? ENOMEM : l->lanes[worker]->unfit;
    l->death.kind = REPORT_NONE;
    tine__queue_bury(&l->queue, worker);
    tine__local_forget(l, worker);
    return true;
}

/* --- the fork server --- */

/* It died unasked: in which step. */
static void gone(struct local *l, const struct message *m, struct report *r) {
    tine__close(&l->control);
    *r = (struct report){.kind = REPORT_GONE, .pid = l->over ? 0 : m->pid, .status = m->status};
    r->bytes = l->step == MESSAGE_UP           ? ""
               : l->step == MESSAGE_PRELOADING ? " in its preload"
                                               : " while it was being set up";
    r->length = strlen(r->bytes);
}

/* A message as a report; false: there is nothing to report of it. */
COLD static bool hear(struct local *l, const struct message *m, size_t length, struct report *r) {
    bool known = m->worker >= 1 && m->worker <= l->workers && l->lanes[m->worker];
    *r = (struct report){.worker = m->worker,
                         .pid = m->pid,
                         .status = m->status,
                         .error = m->error,
                         .spent = m->spent};
    switch (m->kind) {
    case MESSAGE_UP:
    case MESSAGE_PRELOADING:
        l->step = m->kind;
        return false;
    case MESSAGE_GONE:
        gone(l, m, r);
        return true;
    case MESSAGE_NOFORK: /* and words */
    case MESSAGE_NOPRELOAD:
        r->kind = REPORT_FAILED;
        r->bytes = l->packet + sizeof *m;
        r->length = length - sizeof *m;
        return true;
    case MESSAGE_STARTED:
        l->step = MESSAGE_UP;
        r->kind = REPORT_STARTED;
        if (known)
            l->lanes[m->worker]->pid = m->pid;
        return known;
    case MESSAGE_NOSTART:
        r->kind = REPORT_NOT_STARTED;
        if (known)
            tine__local_forget(l, m->worker);
        return known;
    case MESSAGE_EXITED:
        l->farewell = m->last;
        if (known) {
            r->kind = REPORT_EXITED;
            begin_death(l, r);
        }
        return false;
    default:
        return false;
    }
}

static bool read_control(struct local *l, struct report *r) {
    if (l->control != -1 && (l->lost || l->farewell)) {
        tine__close(&l->control);
        *r = (struct report){.kind = REPORT_GONE, .error = l->lost ? EBADF : 0};
        return true;
    }
    while (l->readable && l->control != -1 && l->death.kind == REPORT_NONE) {
        struct message m;
        int nfds = 0;
        ssize_t n = tine__control_receive(l->control, l->packet, MESSAGE_MAX, NULL, &nfds);
        if (n == TINE_EAGAIN) {
            l->readable = false;
        } else if (n <= 0) {
            tine__close(&l->control);
            *r = (struct report){.kind = REPORT_GONE, .error = n < 0 ? errno : 0};
            return true;
        } else if ((size_t)n >= sizeof m) {
            memcpy(&m, l->packet, sizeof m);
            if (hear(l, &m, (size_t)n, r))
                return true;
        }
    }
    return false;
}

static bool next_report(struct local *l, struct report *r) {
    for (;;) {
        if (l->death.kind != REPORT_NONE)
            return tell_death(l, r);
        if (read_rings(l, r) || read_control(l, r))
            return true;
        if (l->death.kind == REPORT_NONE)
            return false;
    }
}

/* There is nothing more to come, but that all is over: what was printed is written before that is told. */
COLD static bool tell_gone(struct local *l, struct report *r) {
    if (l->gone.kind == REPORT_NONE) {
        l->gone = *r;
        tine__printer_finish(l->printer);
    }
    bool over = tine__printer_over(l->printer);
    if (over) {
        *r = l->gone;
        l->gone.kind = REPORT_NONE;
    }
    return over;
}

/* What is more seldom than results. */
static bool report_other(struct local *l, struct report *r) {
    if (l->gone.kind != REPORT_NONE)
        return tell_gone(l, r);
    if (l->room) {
        l->room = false;
        *r = (struct report){.kind = REPORT_ROOM};
        return true;
    }
    if (tine__local_tell_relayed(l, r))
        return true;
    return next_report(l, r) && (r->kind != REPORT_GONE || !l->printer || tell_gone(l, r));
}

/* Has somebody something to say of whom it was not heard yet which process he is? A worker that was forked ahead answers so
** soon that this, which was sent before, would be read after. */
static bool is_introduced_first(struct local *l) {
    bool news = false;
    l->unnamed = false;
    for (unsigned w = 1; w <= l->top; w++) {
        const struct lane *lane = l->lanes[w];
        if (!lane || lane->pid || lane->broken)
            continue;
        l->unnamed = true;
        news |= tine__link_pending(&lane->link);
    }
    l->readable |= news;
    return news;
}

HOT bool tine__local_report(struct site *s, struct report *r, bool listen) {
    struct local *l = local_of(s);
    if (r->kind == REPORT_VALUES && read_again(l, r))
        return true;
    give_back(l);
    l->readable |= listen;
    bool ending = l->death.kind != REPORT_NONE || l->gone.kind != REPORT_NONE;
    if (!ending && l->unnamed && is_introduced_first(l) && read_control(l, r))
        return true;
    bool plain = !ending && !l->captures && !l->room;
    return (plain && read_rings(l, r)) || report_other(l, r);
}
