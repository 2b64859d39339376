/* Objects that something refers to: kept by their ordinals. */
#include <lua.h>
#include "codec/decode/reader.h"
#include "codec/wire.h"

void tine__start_marks(struct reader *r, struct mark_list a, struct mark_list b) {
    r->marks[0] = a;
    r->marks[1] = b;
    r->next = UINT32_MAX;
    for (int i = 0; i < 2; i++)
        if (r->marks[i].p < r->marks[i].end && get_le32(r->marks[i].p) < r->next)
            r->next = get_le32(r->marks[i].p);
}

void tine__next_mark(struct reader *r) {
    r->next = UINT32_MAX;
    for (int i = 0; i < 2; i++) {
        struct mark_list *m = &r->marks[i];
        while (m->p < m->end && get_le32(m->p) <= r->ordinal && r->ordinal != UINT32_MAX)
            m->p += 4;
        if (m->p < m->end && get_le32(m->p) < r->next)
            r->next = get_le32(m->p);
    }
}

void tine__keep_object(struct reader *r, const struct frame *parent) {
    /* this process's own metatable of a class takes the place of the one that has come */
    if (parent->kind == FRAME_CLASS && parent->m)
        lua_pushvalue(r->L, parent->at);
    else
        lua_pushvalue(r->L, -1);
    lua_rawseti(r->L, r->refs, (lua_Integer)r->ordinal + 1);
    tine__next_mark(r);
}
