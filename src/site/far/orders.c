/* The far site: what hosts are told, on their lines. */
#include <string.h>
#include "site/far/internal.h"

void tine__far_order(struct far_line *l, enum gm_order_kind kind, const char *unique,
                     const void *bytes, size_t n) {
    struct gm_order o = {.kind = (uint8_t)kind, .length = n};
    size_t before = l->orders.len;
    if (unique)
        memcpy(o.unique, unique, sizeof o.unique);
    if (n > GM_MESSAGE - sizeof o || before > GM_MESSAGE - sizeof o - n ||
        buf_append(&l->orders, &o, sizeof o) || (n > 0 && buf_append(&l->orders, bytes, n)))
        l->orders.len = before; /* the host will miss it */
}

void tine__far_say(struct far *f, struct far_line *l) {
    struct gm_about about;
    if (l->orders.len == 0 || !l->handle[0])
        return;
    f->sealed.len = 0;
    if (tine__seal(&f->o.keys, 0, tine__gm_about(&about, KIND_ORDERS, l->host, l->unique, l->said),
                   l->orders.data, l->orders.len, &f->sealed))
        return;
    const struct gm_text args[] = {{l->handle, strlen(l->handle)}, {f->sealed.data, f->sealed.len}};
    if (tine__gm_send(&l->server->conn, GM_WORK_DATA, 2, args)) {
        l->said++;
        l->orders.len = 0;
    }
}

/* --- functions --- */

/* Describe a function or shared value. 0 or TINE_ENOMEM. */
static int describe_code(const struct codec_stored *stored, struct buf *out) {
    const struct codec_origin *o = &stored->origin;
    struct gm_code code = {.id = stored->id,
                           .hash = stored->code.hash,
                           .length = stored->code.bytes ? stored->code.len : 0,
                           .name = (uint32_t)strlen(o->name) + 1,
                           .source = (uint32_t)strlen(o->source) + 1,
                           .line = o->line,
                           .value = tine__store_is_value(stored)};
    int err = buf_append(out, &code, sizeof code);
    if (!err)
        err = buf_append(out, o->name, code.name);
    if (!err)
        err = buf_append(out, o->source, code.source);
    return err || !stored->code.bytes ? err : buf_append(out, stored->code.bytes, code.length);
}

void tine__far_code(struct far_line *l, const struct codec_stored *stored) {
    struct buf b;
    tine__buf_init(&b);
    if (describe_code(stored, &b) == 0)
        tine__far_order(l, SAY_CODE, NULL, b.data, b.len);
    tine__buf_free(&b);
}
