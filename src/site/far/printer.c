#include "site/far/printer.h"

#include <pthread.h>
#include <string.h>
#include "base/error.h"
#include "base/fd.h"
#include "base/list.h"
#include "base/sys.h"
#include "site/hand.h"

struct block {
    struct list node;
    struct far_output *output;
    enum far_stream to;
    size_t length;
    char bytes[];
};

struct far_printer {
    struct hand hand; /* its lock protects the next three, too */
    pthread_cond_t more;
    struct list blocks;
    bool finish;
    atomic_bool *wrote; /* borrowed, as the hand's manager */
    struct page page;
};

/* --- outputs --- */

struct far_output *tine__far_output_new(void) {
    struct far_output *o = sys.calloc(1, sizeof *o);
    if (!o)
        return NULL;
    o->refs = 1;
    for (int i = 0; i < 2; i++)
        tine__lines_init(&o->lines[i], i + 1, "", 0);
    return o;
}

void tine__far_output_unref(struct far_output *o) {
    if (!o || atomic_fetch_sub_explicit(&o->refs, 1, memory_order_acq_rel) > 1)
        return;
    for (int i = 0; i < 2; i++)
        tine__buf_free(&o->lines[i].line);
    free(o->prefix);
    free(o);
}

/* --- the thread --- */

static void end_lines(struct far_printer *p, struct far_output *o) {
    for (int i = 0; i < 2; i++)
        tine__lines_end(&p->page, &o->lines[i]);
}

static void begin_task(struct far_output *o, const char *label, size_t n) {
    char *prefix = sys.malloc(n + 3);
    if (prefix)
        tine__lines_prefix(prefix, label, n);
    free(o->prefix);
    o->prefix = prefix;
    for (int i = 0; i < 2; i++)
        tine__lines_init(&o->lines[i], i + 1, prefix ? prefix : "", prefix ? n + 3 : 0);
}

static void print(struct far_printer *p, const struct block *b) {
    struct far_output *o = b->output;
    if (b->to == FAR_LABEL || b->to == FAR_END)
        end_lines(p, o);
    if (b->to == FAR_LABEL)
        begin_task(o, b->bytes, b->length);
    else if (b->to != FAR_END)
        tine__lines_add(&p->page, &o->lines[b->to - 1], b->bytes, b->length);
    tine__page_flush(&p->page);
}

static uint64_t weight(const struct block *b) {
    return b->to == FAR_END ? 1 : b->length;
}

static void free_block(struct block *b) {
    atomic_fetch_add(&b->output->written, weight(b));
    tine__far_output_unref(b->output);
    free(b);
}

/* The block is written. */
static void done(struct far_printer *p, struct block *b) {
    free_block(b);
    pthread_mutex_lock(&p->hand.lock);
    if (!p->hand.forsaken && !atomic_exchange(p->wrote, true))
        tine__fd_ring(p->hand.manager);
    pthread_mutex_unlock(&p->hand.lock);
}

/* The next block; NULL: none will come. */
static struct block *next(struct far_printer *p) {
    pthread_mutex_lock(&p->hand.lock);
    while (list_empty(&p->blocks) && !p->finish)
        pthread_cond_wait(&p->more, &p->hand.lock);
    struct list *n = list_pop(&p->blocks);
    pthread_mutex_unlock(&p->hand.lock);
    return n ? LIST_ITEM(n, struct block, node) : NULL;
}

static void free_printer(struct far_printer *p) {
    struct list *n;
    while ((n = list_pop(&p->blocks)) != NULL) /* came after the thread had finished */
        free_block(LIST_ITEM(n, struct block, node));
    tine__hand_free(&p->hand);
    pthread_cond_destroy(&p->more);
    free(p);
}

static void *run(void *arg) {
    struct far_printer *p = arg;
    struct block *b;
    while ((b = next(p)) != NULL) {
        print(p, b);
        done(p, b);
    }
    if (tine__hand_ends(&p->hand))
        free_printer(p);
    return NULL;
}

/* --- the site's side --- */

int tine__far_printer_start(struct far_printer **out, int manager, atomic_bool *wrote) {
    struct far_printer *p = sys.calloc(1, sizeof *p);
    if (!p)
        return TINE_ENOMEM;
    p->wrote = wrote;
    list_init(&p->blocks);
    tine__hand_init(&p->hand, manager);
    pthread_cond_init(&p->more, NULL);
    int err = tine__hand_start(&p->hand, run, p);
    if (err)
        free_printer(p);
    else
        *out = p;
    return err;
}

void tine__far_printer_put(struct far_printer *p, struct far_output *o, enum far_stream to,
                           const char *bytes, size_t n) {
    struct block *b = sys.malloc(sizeof *b + n);
    if (!b)
        return; /* lost, as if it could not be written */
    *b = (struct block){.output = o, .to = to, .length = n};
    if (n > 0)
        memcpy(b->bytes, bytes, n);
    atomic_fetch_add_explicit(&o->refs, 1, memory_order_relaxed);
    o->given += weight(b);
    pthread_mutex_lock(&p->hand.lock);
    list_push(&p->blocks, &b->node);
    pthread_cond_signal(&p->more);
    pthread_mutex_unlock(&p->hand.lock);
}

bool tine__far_printer_finish(struct far_printer *p) {
    if (!p)
        return true;
    pthread_mutex_lock(&p->hand.lock);
    p->finish = true;
    pthread_cond_signal(&p->more);
    bool over = p->hand.over;
    pthread_mutex_unlock(&p->hand.lock);
    return over;
}

void tine__far_printer_forsake(struct far_printer *p) {
    if (!tine__hand_forsake(&p->hand))
        tine__far_printer_close(p);
}

void tine__far_printer_close(struct far_printer *p) {
    if (!p)
        return;
    tine__far_printer_finish(p);
    tine__hand_join(&p->hand);
    free_printer(p);
}
