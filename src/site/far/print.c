/* The far site: output of tasks that is written here, behind their labels.
**
** A thread writes it (printer.h). The host hears how much was written, and reads no more from its
** tasks while too much was not (message.h). The end of a task is reported when all its output is
** written: what its host says from there on is held until then, unless the task is to be ended.
*/
#include <string.h>
#include "base/sys.h"
#include "site/far/internal.h"

#define WORTH_IT ((uint64_t)64 << 10) /* bytes written before the host is told again */

/* The output of the sending; NULL: it is lost. */
static struct far_output *output_of(struct far *f, struct far_sending *s) {
    if (!f->printer && tine__far_printer_start(&f->printer, f->manager, &f->wrote))
        return NULL;
    if (!s->output && (s->output = tine__far_output_new()) != NULL)
        list_push(&f->printing, &s->prints);
    return s->output;
}

void tine__far_print(struct far *f, struct far_sending *s, uint32_t k, struct gm_reader r) {
    struct gm_printed head;
    struct far_output *o =
        tine__gm_copy(&r, &head, sizeof head) && head.to < FAR_END ? output_of(f, s) : NULL;
    if (!o)
        return;
    tine__far_printer_put(f->printer, o, (enum far_stream)head.to, r.p, r.n);
    s->prints_k = k;
}

/* Have its last lines completed and written. (One that was forsaken hears of nothing.) */
static void end(struct far *f, struct far_sending *s) {
    if (f->printer)
        tine__far_printer_put(f->printer, s->output, FAR_END, NULL, 0);
    s->prints_k = UINT32_MAX;
}

void tine__far_print_no_more(struct far *f, struct far_sending *s) {
    if (s->output && s->prints_k != UINT32_MAX)
        end(f, s);
}

bool tine__far_is_written(struct far *f, struct far_sending *s, uint32_t k) {
    if (s->output && s->prints_k == k)
        end(f, s);
    return !s->output || s->hurried || far_output_unwritten(s->output) == 0;
}

/* --- held answers --- */

bool tine__far_hold(struct far *f, struct far_sending *s, const char *bytes, size_t n, bool last) {
    if (buf_append(&s->held, bytes, n))
        return false;
    s->holds = true;
    s->held_last |= last;
    if (far_output_unwritten(s->output) == 0)
        f->resumable = true; /* it was written just now */
    return true;
}

void tine__far_hurry(struct far *f, struct far_sending *s) {
    s->hurried = true;
    f->resumable |= s->holds;
}

/* Make the held answers the current message. */
static void resume(struct far *f, struct far_sending *s) {
    tine__buf_free(&f->plain);
    f->plain = s->held;
    tine__buf_init(&s->held);
    f->answers = (struct gm_reader){f->plain.data, f->plain.len};
    f->reading = s;
    f->summed = false;
    f->from = s->line;
    f->stranger = false;
    f->last = s->held_last;
    s->holds = false;
}

bool tine__far_resume(struct far *f) {
    for (struct list *n = f->resumable ? f->printing.next : &f->printing; n != &f->printing;
         n = n->next) {
        struct far_sending *s = LIST_ITEM(n, struct far_sending, prints);
        if (s->holds && (s->hurried || far_output_unwritten(s->output) == 0)) {
            resume(f, s);
            return true;
        }
    }
    f->resumable = false;
    return false;
}

/* --- written output --- */

static void tell(struct far *f, struct far_sending *s, uint64_t written) {
    const uint64_t more = written - s->told_written;
    s->told_written = written;
    tine__far_order(s->line, SAY_WRITTEN, s->unique, &more, sizeof more);
    tine__far_say(f, s->line);
    tine__gm_flush(&s->server->conn);
}

void tine__far_look_at_printer(struct far *f) {
    if (!atomic_load_explicit(&f->wrote, memory_order_relaxed) ||
        !atomic_exchange(&f->wrote, false))
        return;
    for (struct list *n = f->printing.next; n != &f->printing; n = n->next) {
        struct far_sending *s = LIST_ITEM(n, struct far_sending, prints);
        uint64_t written = atomic_load(&s->output->written);
        f->resumable |= s->holds && written == s->output->given;
        if (!s->dead && s->line && written - s->told_written >= WORTH_IT)
            tell(f, s, written);
    }
}
