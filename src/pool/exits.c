/* Notes of workers' ends, for the inboxes that want them. */
#include "base/sys.h"
#include "pool/internal.h"

struct exit_note {
    struct list node;
    struct worker_exit exit;
};

/* An inbox gets no note if there is no memory. */
void tine__exits_tell(struct pool *p, const struct worker_exit *x) {
    for (struct list *n = p->inboxes.next; n != &p->inboxes; n = n->next) {
        struct inbox *in = LIST_ITEM(n, struct inbox, node);
        struct exit_note *note = in->wants_exits ? sys.malloc(sizeof *note) : NULL;
        if (!note)
            continue;
        note->exit = *x;
        list_push(&in->exits, &note->node);
        atomic_store(&in->has_exits, true);
        inbox_stir(in);
        inbox_freshen(in);
    }
}

/* Take the oldest note. */
static bool take(struct inbox *in, struct worker_exit *out) {
    struct list *node = list_pop(&in->exits);
    if (!node)
        return false;
    struct exit_note *note = LIST_ITEM(node, struct exit_note, node);
    *out = note->exit;
    free(note);
    if (list_empty(&in->exits))
        atomic_store(&in->has_exits, false);
    return true;
}

bool tine__inbox_next_exit(struct inbox *in, struct worker_exit *out) {
    struct pool *p = in->pool;
    if (!p || !atomic_load_explicit(&in->has_exits, memory_order_acquire) ||
        tine__pool_is_forked(p))
        return false;
    pthread_mutex_lock(&p->lock);
    bool any = take(in, out);
    pthread_mutex_unlock(&p->lock);
    return any;
}

void tine__exits_forget(struct inbox *in) {
    struct worker_exit x;
    while (take(in, &x))
        ;
}
