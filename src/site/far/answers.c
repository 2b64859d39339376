/* The far site: what hosts say about their tasks, and the reports it makes. */
#include <string.h>
#include "base/sys.h"
#include "site/far/internal.h"

#define UNVERIFIED "what came back for it cannot be verified"

/* Send the functions and shared values with these ids, if the call of the sending leads to them. */
static void send_codes(struct far_line *l, const struct far_sending *s, const char *ids,
                       uint64_t length) {
    struct store_reach names;
    int err = tine__store_reach(s->refs, &names);
    for (uint64_t i = 0; !err && i + 8 <= length; i += 8) {
        uint64_t id;
        memcpy(&id, ids + i, sizeof id);
        const struct codec_stored *stored = tine__store_reached(&names, id);
        if (stored)
            tine__far_code(l, stored);
        else if (id == 0)
            tine__far_forget_errands(l);
    }
    tine__store_reach_free(&names);
}

/* The host asks whether it may begin, and for functions that it lacks. */
static void asked(struct far *f, struct far_sending *s, const char *ids, uint64_t length) {
    struct far_line *l = f->from;
    if (!l)
        return;
    bool may = !s->dead && !f->stranger;
    if (may) {
        send_codes(l, s, ids, length);
        tine__far_tell_errands(f, l);
    }
    if (may && s->stage == FAR_SENT)
        s->stage = FAR_CONFIRMED;
    tine__far_order(l, may ? SAY_GO : SAY_NO, s->unique, NULL, 0);
    if (may && !s->line)
        tine__far_meet(s, l);
}

/* The host has begun without asking: it is known now. */
static void met(struct far_sending *s, struct far_line *l) {
    if (!s->line && !s->dead && s->stage != FAR_SENT)
        tine__far_meet(s, l);
}

/* Open a host's message about the sending, and see which host it is. False: it cannot be
** verified. */
static bool open_answers(struct far *f, struct far_sending *s, const struct gm_packet *p) {
    struct gm_about about;
    char host[GM_SPEAKER];
    unsigned key;
    struct gm_reader r = {p->arg[1].p, p->arg[1].n};
    if (!tine__gm_copy(&r, host, sizeof host) || !tine__gm_is_text(host, sizeof host))
        return false;
    f->stranger = s->heard > 0 && memcmp(host, s->speaker, sizeof host) != 0;
    if (!tine__unseal(
            &f->o.keys,
            tine__gm_about(&about, KIND_ANSWERS, host, s->unique, f->stranger ? 0 : s->heard), r.p,
            r.n, &f->plain, &key))
        return false;
    f->answers = (struct gm_reader){f->plain.data, f->plain.len};
    if (!(f->from = tine__far_need_line(s->server, host)))
        return false;
    f->from->heard = s->server->conn.heard;
    f->from->away = false;
    if (f->stranger)
        return true;
    memcpy(s->speaker, host, sizeof host);
    s->heard++;
    met(s, f->from);
    return true;
}

void tine__far_heard(struct far *f, struct far_sending *s, const struct gm_packet *p, bool last) {
    if (open_answers(f, s, p)) {
        if (s->holds && !f->stranger) {
            if (!tine__far_hold(f, s, f->answers.p, f->answers.n, last))
                tine__far_lose(f, s, "no memory for what its host says");
            return;
        }
        f->reading = s;
        f->summed = false;
        f->last = last;
        return;
    }
    if (!s->dead && s->line)
        tine__far_order(s->line, SAY_STOP, s->unique, NULL, 0);
    tine__far_lose(f, s, UNVERIFIED);
    if (last)
        tine__far_free(f, s);
}

/* --- reading answers --- */

static const uint8_t kinds[ANSWER_KINDS] = {
    [ANSWER_VALUES] = REPORT_VALUES,     [ANSWER_ERROR] = REPORT_ERROR,
    [ANSWER_REFUSED] = REPORT_REFUSED,   [ANSWER_MEMORY] = REPORT_MEMORY,
    [ANSWER_ENDED] = REPORT_ENDED,       [ANSWER_TIMEOUT] = REPORT_TIMEOUT,
    [ANSWER_CPU] = REPORT_CPU,           [ANSWER_CRASHED] = REPORT_CRASHED,
    [ANSWER_LOST] = REPORT_AWAY,         [ANSWER_STOPPED] = REPORT_STOPPED,
    [ANSWER_PROGRESS] = REPORT_PROGRESS, [ANSWER_OUTPUT] = REPORT_OUTPUT,
    [ANSWER_EVENT] = REPORT_EVENT,       [ANSWER_FAULT] = REPORT_FAULT};

/* Is the answer the end of the task that is due, or about no task's end? False: it makes no
** sense. */
static bool fits(const struct far_sending *s, const struct gm_answer *a) {
    if (a->kind == ANSWER_NONE || a->kind >= ANSWER_KINDS)
        return false;
    if (a->kind == ANSWER_CRASHED && a->length != sizeof(struct report_crash))
        return false;
    return kinds[a->kind] == REPORT_NONE || (a->k == s->next && a->k < s->count);
}

/* Add up how long the tasks ran whose ends are still unread, the current one included. */
static void sum_up(struct far *f, const struct gm_answer *first) {
    struct gm_reader r = f->answers;
    struct gm_answer a;
    f->behind = first->ran;
    while (tine__gm_copy(&r, &a, sizeof a) && tine__gm_take(&r, a.length))
        f->behind += a.ran;
    f->summed = true;
}

/* Compute when the task ran. The ends in one message were sent at once, and their tasks ran one
** after the other until now. */
static void tell_times(struct far *f, const struct gm_answer *a, struct report *r) {
    if (!f->summed)
        sum_up(f, a);
    f->behind -= a->ran;
    r->ended = a->ran ? tine__now() - f->behind : 0;
    r->started = r->ended - a->ran;
}

static void answer(struct far *f, struct far_sending *s, const struct gm_answer *a,
                   const char *bytes, struct report *r) {
    *r = tine__far_report_of(s, kinds[a->kind]);
    r->bytes = bytes;
    r->length = a->length;
    r->there = a->worker;
    r->pid = a->pid;
    if (r->kind == REPORT_EVENT)
        r->number = s->events++;
    if (r->kind == REPORT_FAULT && !tine__far_fault(f, r))
        r->kind = REPORT_NONE;
    if (report_is_result(r)) {
        s->events = 0;
        s->granted = f->event_buffer;
        tell_times(f, a, r);
        s->next++;
        if (s->line)
            s->line->tasks++;
    }
}

/* Everything in this message was read. */
static void end_reading(struct far *f) {
    struct far_sending *s = f->reading;
    f->reading = NULL;
    if (!f->last)
        return;
    if (s->next < s->count)
        tine__far_lose(f, s, "its host has ended it without a result");
    tine__far_free(f, s);
}

/* The host says that this worker has, or had, the task. */
static void meet_worker(struct far_line *l, struct far_sending *s, const struct gm_answer *a) {
    const struct gm_worker w = {.id = a->worker, .pid = a->pid};
    s->there = a->worker;
    s->pid = a->pid;
    if (l && a->worker)
        tine__far_meet_worker(l, &w);
}

static void begun(struct far_sending *s) {
    if (s->stage != FAR_CONFIRMED)
        return;
    s->stage = FAR_BEGUN;
    s->begun = tine__now();
}

/* Is the answer the end of a task whose output is not written yet? Ends by force and losses do not
** wait for output, as on this machine. */
static bool is_to_wait(struct far *f, struct far_sending *s, const struct gm_answer *a) {
    bool end = a->kind >= ANSWER_VALUES && a->kind <= ANSWER_STOPPED;
    return end && !tine__far_is_written(f, s, a->k) && a->kind <= ANSWER_MEMORY;
}

/* Hold the answer that was just read, and those behind it. False: no memory. */
static bool hold(struct far *f, struct far_sending *s, const struct gm_answer *a,
                 const char *bytes) {
    const char *begin = bytes - sizeof *a;
    size_t n = (size_t)(f->answers.p + f->answers.n - begin);
    if (!tine__far_hold(f, s, begin, n, f->last))
        return false;
    f->reading = NULL;
    return true;
}

bool tine__far_read_answer(struct far *f, struct report *r) {
    struct far_sending *s = f->reading;
    struct gm_answer a;
    if (f->answers.n == 0) {
        end_reading(f);
        return false;
    }
    const char *bytes =
        tine__gm_copy(&f->answers, &a, sizeof a) ? tine__gm_take(&f->answers, a.length) : NULL;
    bool heeded = !s->dead && !f->stranger;
    if (bytes && a.kind == ANSWER_WORKERS && f->from)
        tine__far_meet_workers(f->from, bytes, a.length);
    if (!bytes || (heeded && !fits(s, &a))) {
        f->answers.n = 0;
        tine__far_lose(f, s, UNVERIFIED);
        return false;
    }
    if (heeded && is_to_wait(f, s, &a) && hold(f, s, &a, bytes))
        return false;
    if (heeded && a.kind == ANSWER_PRINTED)
        tine__far_print(f, s, a.k, (struct gm_reader){bytes, a.length});
    if (a.kind == ANSWER_ASK)
        asked(f, s, bytes, a.length);
    if (a.kind == ANSWER_BEGUN || a.kind == ANSWER_EVENT || a.kind == ANSWER_PRINTED)
        begun(s);
    if (heeded && a.worker)
        meet_worker(f->from, s, &a);
    if (a.kind == ANSWER_PROGRESS)
        s->telling = false;
    if (!heeded || kinds[a.kind] == REPORT_NONE || (a.kind == ANSWER_PROGRESS && a.length == 0))
        return false;
    answer(f, s, &a, bytes, r);
    if (a.kind == ANSWER_STOPPED || s->next == s->count)
        tine__far_forget(f, s);
    return true;
}
