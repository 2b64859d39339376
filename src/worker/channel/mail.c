/* Letters to the tasks of a worker: they are copied, and the regions they name are held. */
#include "base/sys.h"
#include "worker/channel/internal.h"

/* Hold the regions named at `p`. One that cannot be held will not be found later. */
static void hold_named(struct posted *letter, const char *p) {
    for (uint32_t i = 0; i < letter->letter.regions; i++, p += sizeof(struct handle)) {
        struct handle h;
        memcpy(&h, p, sizeof h);
        (void)!tine__carry_named(&letter->names, &h);
    }
}

/* Copy the letter at this place; *before: the one before it. NULL: it cannot be read, or no
** memory. */
static struct posted *copy_letter(struct shm_channel *c, uint64_t place, uint64_t *before) {
    int err;
    const struct letter *letter = tine__heap_at(c->calls, place, sizeof *letter, &err);
    if (!letter)
        return NULL;
    *before = letter->next;
    size_t length = letter->length, more = letter->regions * sizeof(struct handle);
    struct posted *p = sys.malloc(sizeof *p + length);
    letter = p ? tine__heap_at(c->calls, place, sizeof *letter + length + more, &err) : NULL;
    if (!letter) {
        free(p);
        return NULL;
    }
    memcpy(&p->letter, letter, sizeof *letter + length);
    p->names = (struct carried){0};
    hold_named(p, (const char *)(letter + 1) + length);
    return p;
}

struct posted *tine__shm_mail(struct channel *ch, bool *lost) {
    struct shm_channel *c = shm_self(ch);
    struct posted *list = NULL;
    uint64_t n = 0, place = tine__link_take_mail(&c->link);
    while (place) {
        uint64_t before = 0;
        struct posted *p = copy_letter(c, place, &before);
        *lost |= !p;
        if (p) {
            p->next = list;
            list = p;
        }
        place = before;
        n++;
    }
    if (n)
        tine__link_has_read(&c->link, n);
    return list;
}
