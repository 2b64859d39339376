/* What references lead to. Not by recursion, and each blob once: shared values that name others may
** be a chain of any length, and as many ways may lead to one blob as there are blobs, squared and
** more. */
#include "base/error.h"
#include "base/hash.h"
#include "base/sys.h"
#include "store/store.h"

#define FIRST_ROOM 8u

/* Where the blob with this id is in the table, or has to go. */
static const struct codec_stored **place_of(const struct store_reach *r, uint64_t id) {
    size_t mask = 2 * r->room - 1, i = (size_t)tine__hash(&id, sizeof id) & mask;
    while (r->table[i] && r->table[i]->id != id)
        i = (i + 1) & mask;
    return &r->table[i];
}

static int grow(struct store_reach *r) {
    size_t room = r->room ? 2 * r->room : FIRST_ROOM;
    const struct codec_stored **list = sys.realloc(r->list, room * sizeof *list);
    if (!list)
        return TINE_ENOMEM;
    r->list = list;
    const struct codec_stored **table = sys.calloc(2 * room, sizeof *table);
    if (!table)
        return TINE_ENOMEM;
    free(r->table);
    r->table = table;
    r->room = room;
    for (size_t i = 0; i < r->n; i++)
        *place_of(r, r->list[i]->id) = r->list[i];
    return 0;
}

static int add(struct store_reach *r, const struct store_refs *refs) {
    for (uint32_t i = 0; i < refs->n; i++) {
        const struct codec_stored *stored = store_ref_at(refs, i);
        if (r->n == r->room && grow(r))
            return TINE_ENOMEM;
        const struct codec_stored **place = place_of(r, stored->id);
        if (*place)
            continue;
        *place = r->list[r->n++] = stored;
    }
    return 0;
}

int tine__store_reach(const struct store_refs *refs, struct store_reach *out) {
    *out = (struct store_reach){0};
    int err = add(out, refs);
    for (size_t i = 0; i < out->n && !err; i++)
        err = add(out, tine__store_names(out->list[i]));
    return err;
}

const struct codec_stored *tine__store_reached(const struct store_reach *r, uint64_t id) {
    return r->n ? *place_of(r, id) : NULL;
}

void tine__store_reach_free(struct store_reach *r) {
    free(r->list);
    free(r->table);
}

const struct codec_stored *tine__store_named(const struct codec_stored *value, uint64_t id) {
    const struct store_refs *names = tine__store_names(value);
    const struct codec_stored *found = value->id == id ? value : NULL;
    struct store_reach r;
    for (uint32_t i = 0; i < names->n && !found; i++) /* nearly always it is one of these */
        if (store_ref_at(names, i)->id == id)
            found = store_ref_at(names, i);
    if (found)
        return found;
    if (tine__store_reach(names, &r) == 0)
        found = tine__store_reached(&r, id);
    tine__store_reach_free(&r);
    return found;
}
