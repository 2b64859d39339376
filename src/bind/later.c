/* A submit for which there is no room, in a coroutine of a loop: the coroutine yields until there
** is room (loop.c). */
#include "bind/loop.h"
#include "bind/submit.h"

struct delayed { /* user value 1: the room, which nobody else uses */
    struct core *core;
    struct draft draft;
    struct room *room;
    uint32_t function;
};

/* Continuation of the submit; the struct delayed is at stack index `at`. The call stays as it was
** encoded. */
static int send_waiting(lua_State *L, int status, lua_KContext at) {
    struct delayed *w = lua_touserdata(L, (int)at);
    (void)status;
    while (!tine__try_send(L, w->core, &w->draft, &w->room->call, w->function)) {
        if (!tine__loop_push(L, w->core, "room")) { /* the loop was detached meanwhile */
            tine__send(L, w->core, &w->draft, &w->room->call, w->function);
            break;
        }
        lua_callk(L, 1, 0, at, send_waiting);
    }
    if (tine__loop_push(L, w->core, "more"))
        lua_call(L, 1, 0);
    return tine__submitted(L, &w->draft);
}

int tine__send_later(lua_State *L, struct core *c, const struct draft *d, struct room *r,
                     uint32_t function) {
    struct delayed *w = lua_newuserdatauv(L, sizeof *w, 1);
    int at = lua_gettop(L);
    *w = (struct delayed){.core = c, .draft = *d, .room = r, .function = function};
    if (c->room == r) { /* the core gets a new room; any other room stays on the stack */
        lua_getiuservalue(L, 1, VIEW_CORE);
        lua_getiuservalue(L, -1, CORE_ROOM);
        lua_setiuservalue(L, at, 1);
        if (!tine__room_make(L, c, at + 1))
            tine__refuse_ended(L, c);
    }
    tine__core_end_encoding(c);
    return send_waiting(L, LUA_OK, at);
}
