/* Letters to workers: they lie in the call heap until the worker has read them. */
#include <string.h>
#include "base/sys.h"
#include "msg/nested.h"
#include "pool/internal.h"

struct note {
    struct list node;
    uint64_t place, number;
    struct carried names;
};

struct mailbox {
    struct list notes; /* letters that were not freed yet, in the order of posting */
    uint64_t posted;
};

/* The worker's mailbox. NULL: no memory. */
static struct mailbox *mailbox_of(struct pool *p, unsigned worker) {
    if (!p->mail && !(p->mail = sys.calloc(p->s.o.most + 1, sizeof *p->mail)))
        return NULL;
    struct mailbox *m = &p->mail[worker];
    if (!m->notes.next)
        list_init(&m->notes);
    return m;
}

struct letter *tine__letter_new(struct pool *p, size_t more, uint64_t *place) {
    size_t cap;
    char *data;
    *place = 0;
    if (tine__store_grow(p->store, place, 0, sizeof(struct letter) + more, &data, &cap))
        return NULL;
    struct letter *letter = (struct letter *)(void *)data;
    *letter = (struct letter){.length = more};
    return letter;
}

void tine__letter_post(struct pool *p, unsigned worker, uint64_t place, struct letter *letter,
                       struct carried *names) {
    struct mailbox *m = mailbox_of(p, worker);
    struct note *note = m ? sys.malloc(sizeof *note) : NULL;
    tine__mail_tidy(p, worker, false);
    p->site->ops->post(p->site, worker, place, letter);
    if (m)
        m->posted++;
    if (!note) { /* the letter, and what it names, stay as long as the pool */
        (void)!tine__carry_all(&p->carried, names);
        tine__carried_drop(names);
        return;
    }
    *note = (struct note){.place = place, .number = m->posted, .names = *names};
    *names = (struct carried){0};
    list_init(&note->node);
    list_push(&m->notes, &note->node);
}

void tine__mail_tidy(struct pool *p, unsigned worker, bool gone) {
    struct mailbox *m = p->mail ? &p->mail[worker] : NULL;
    if (!m || !m->notes.next)
        return;
    uint64_t read =
        gone || list_empty(&m->notes) ? UINT64_MAX : p->site->ops->read(p->site, worker);
    while (!list_empty(&m->notes)) {
        struct note *note = LIST_ITEM(m->notes.next, struct note, node);
        if (note->number > read)
            break;
        list_remove(&note->node);
        tine__store_free(p->store, note->place);
        tine__carried_drop(&note->names);
        free(note);
    }
    if (gone)
        m->posted = 0;
}

void tine__mail_close(struct pool *p) {
    for (unsigned w = 0; p->mail && w <= p->s.o.most; w++)
        if (p->mail[w].notes.next)
            tine__mail_tidy(p, w, true);
    free(p->mail);
    p->mail = NULL;
}
