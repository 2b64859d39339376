/* How messages refer to buffers and views. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/why.h"
#include "data/internal.h"
#include "tine.h"

void tine__data_write(unsigned char out[DATA_NAME_SIZE], const struct data_name *name) {
    out[0] = name->kind;
    memcpy(out + 1, &name->handle.arena, 8);
    memcpy(out + 9, &name->handle.index, 4);
    memcpy(out + 13, &name->handle.generation, 4);
    memcpy(out + 17, &name->place, 8);
}

void tine__data_read(struct data_name *name, const unsigned char in[DATA_NAME_SIZE]) {
    name->kind = in[0];
    memcpy(&name->handle.arena, in + 1, 8);
    memcpy(&name->handle.index, in + 9, 4);
    memcpy(&name->handle.generation, in + 13, 4);
    memcpy(&name->place, in + 17, 8);
}

struct region *tine__data_of(lua_State *L, int idx, struct data_name *name) {
    const struct object *o;
    struct region *r = NULL;
    uint64_t place = 0;
    if (lua_touserdata(L, idx) && tine__view_is(L, idx))
        r = tine__view_region(L, idx, &place);
    else if ((o = luaL_testudata(L, idx, CLASS_BUFFER)) != NULL)
        r = o->region;
    if (r && name)
        *name = (struct data_name){(uint8_t)r->kind, tine__region_handle(r), place};
    return r;
}

static const char *reason(int err, int error) {
    return err == TINE_EINVALID ? "it is not there any more" : tine__why_failed(err, error);
}

void tine__data_push(lua_State *L, const struct data_name *name) {
    struct region *r;
    enum region_kind kind = name->kind == REGION_IMAGE ? REGION_IMAGE : REGION_BUFFER;
    int err = tine__region_open(&r, &name->handle, kind);
    if (err && err != TINE_EINVALID) { /* a collection may free what was missing */
        lua_gc(L, LUA_GCCOLLECT);
        err = tine__region_open(&r, &name->handle, kind);
    }
    if (err)
        luaL_error(L, "the memory of a %s cannot be had: %s",
                   kind == REGION_IMAGE ? "frozen table" : "buffer", reason(err, errno));
    if (kind == REGION_IMAGE)
        tine__view_push(L, r, name->place);
    else
        tine__object_push(L, r, tine__buffer_class);
}
