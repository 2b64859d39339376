/* Crews: the errands of a submitter's pool (its initializer and calls of pool:everywhere), in the
** store of our own pool. Each errand names the one before, so from the last one a worker finds
** those that it has yet to run (worker/task/crew.h). A crew is kept as long as its submitter's
** line, or a task of it in our pool.
*/
#include <string.h>
#include "base/hash.h"
#include "base/sys.h"
#include "msg/errand.h"
#include "msg/extra.h"
#include "serve/internal.h"

struct crew {
    unsigned refs;
    uint64_t id;
    uint64_t errands;       /* number of errands */
    uint64_t last;          /* id of the last errand in the store; 0: none */
    bool coded;             /* an errand names code */
    struct store_refs held; /* all errands */
};

static struct crew *new_crew(const char *peer) {
    struct crew *c = sys.calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->refs = 1;
    c->id = tine__hash(peer, GM_UNIQUE);
    return c;
}

struct crew *tine__crew_ref(struct crew *c) {
    if (c)
        c->refs++;
    return c;
}

void tine__crew_unref(struct serve *s, struct crew *c) {
    if (!c || --c->refs > 0)
        return;
    tine__store_release(tine__pool_store(s->pool), &c->held);
    free(c);
}

uint64_t tine__crew_errands(const struct crew *c) {
    return c ? c->errands : 0;
}

bool tine__crew_has_code(const struct crew *c) {
    return c && c->coded;
}

void tine__crew_describe(const struct crew *c, struct call_far *out) {
    if (!c)
        return;
    out->crew = c->id;
    out->errands = c->errands;
    out->errand = c->last;
}

/* Append what the errand names, by the submitter's numbers and by ours. False: a blob is missing,
** or no memory. */
static bool append_names(struct serve *s, struct crew *c, struct gm_reader *r, uint64_t n,
                         struct buf *out, struct store_refs *refs) {
    for (; n > 0; n--) {
        struct call_far_name name;
        const struct codec_stored *stored = tine__gm_copy(r, &name.theirs, sizeof name.theirs)
                                                ? tine__blob_find(s->blobs, name.theirs)
                                                : NULL;
        if (!stored || tine__store_hold(refs, stored))
            return false;
        c->coded |= stored->code.bytes && !tine__store_is_value(stored);
        name.ours = stored->id;
        if (buf_append(out, &name, sizeof name))
            return false;
    }
    return true;
}

/* The errand as a stored value, which workers read. NULL: it is not valid, or no memory. */
static const struct codec_stored *store(struct serve *s, struct crew *c, const struct gm_errand *e,
                                        struct gm_reader r) {
    static const char room[STORE_VALUE_HEAD];
    const struct errand_far head = {.before = c->last,
                                    .number = e->number,
                                    .first = e->initializes,
                                    .names = e->names,
                                    .function = e->function};
    struct store *store = tine__pool_store(s->pool);
    const struct codec_stored *stored = NULL;
    struct store_refs refs = {0};
    uint64_t block = 0;
    struct buf b;
    tine__buf_init(&b);
    if (buf_append(&b, room, sizeof room) == 0 && buf_append(&b, &head, sizeof head) == 0 &&
        append_names(s, c, &r, e->names, &b, &refs) && e->function <= r.n &&
        buf_append(&b, r.p, r.n) == 0)
        stored = tine__store_value(store, &block, b.data, b.len, &refs);
    tine__store_release(store, &refs);
    tine__buf_free(&b);
    return stored;
}

/* Add an errand. False: it is not the next one, is not valid, or no memory. */
static bool add(struct serve *s, struct peer *peer, struct gm_reader r) {
    struct gm_errand e;
    if (!tine__gm_copy(&r, &e, sizeof e) || (!peer->crew && !(peer->crew = new_crew(peer->id))))
        return false;
    struct crew *c = peer->crew;
    if (e.number <= c->errands)
        return true; /* all were sent again */
    const struct codec_stored *stored = e.number == c->errands + 1 ? store(s, c, &e, r) : NULL;
    bool held = stored && tine__store_hold(&c->held, stored) == 0;
    if (held) {
        c->errands = e.number;
        c->last = stored->id;
    }
    if (stored)
        tine__store_drop(tine__pool_store(s->pool), stored);
    return held;
}

void tine__crew_hear(struct serve *s, struct peer *peer, struct gm_reader r) {
    peer->lacks |= !add(s, peer, r);
}
