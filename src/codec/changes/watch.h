/* What was seen, and whether it is still so. */
#ifndef TINE_CODEC_CHANGES_WATCH_H
#define TINE_CODEC_CHANGES_WATCH_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* Something that was seen, and is to be the same still. */
enum watch_how {
    WATCH_FIELD,     /* a field */
    WATCH_OBJECTS,   /* which objects a table, and tables in it, hold */
    WATCH_KEYS,      /* and which keys with anything else */
    WATCH_VALUES,    /* which values a table has */
    WATCH_FUNCTIONS, /* which functions a table, and tables in it, hold */
    WATCH_UPVALUE,   /* which function or table is in a variable of a function, or nil or false */
};

struct watched {
    enum watch_how how;
    bool again;           /* its table is that of the item before */
    bool global;          /* it is the globals table */
    const void *expected; /* of a field: the object in it; NULL: compare with what the list has */
    uint64_t count;       /* of a table; or the variable's number */
};

/* Belongs to a list in Lua: table, key and value of each item. */
struct watch {
    struct watched *items;
    uint32_t n, cap;
    lua_Integer table; /* where the list has the last item's table */
    uint64_t tick;     /* when that was, */
    bool large;        /* if there is too much to count */
    bool made;
};

/* Note that the field at `key` of the table at `t` is what it is. False: no memory. */
bool tine__watch_field(lua_State *L, struct watch *w, int list, int t, int key);
/* Note what the table at `t` is. */
bool tine__watch_table(lua_State *L, struct watch *w, int list, int t, enum watch_how how);
/* Note which function or table is in upvalue `i` of the function at `fn`, or nil, or false. */
bool tine__watch_upvalue(lua_State *L, struct watch *w, int list, int fn, int i);
/* Is it all so still? The list is on top, at `list`; something is left above it. The globals table is at `env`, unless
** that is 0. Never raises. */
bool tine__watch_holds(lua_State *L, const struct watch *w, int list, int env);
void tine__watch_free(struct watch *w);

#endif
