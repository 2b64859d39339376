/* Watches: whether fields, tables and upvalues are still what they were.
**
** A watch records what was looked at for changes. As long as it holds, the result of that is still
** valid.
*/
#ifndef TINE_CODEC_CHANGES_WATCH_H
#define TINE_CODEC_CHANGES_WATCH_H

#include <lua.h>
#include <stdbool.h>
#include <stdint.h>

/* What a watched item records. */
enum watch_how {
    WATCH_FIELD,     /* the value of a field */
    WATCH_OBJECTS,   /* which functions, tables and userdata a table holds, and tables in it */
    WATCH_KEYS,      /* the same, and which keys have other values */
    WATCH_VALUES,    /* which objects and scalars a table holds */
    WATCH_FUNCTIONS, /* which functions a table holds, and tables in it */
    /* the function or table in an upvalue of a function, or whether it is nil or false */
    WATCH_UPVALUE,
    WATCH_FILE, /* that a module's file has not been edited */
};

struct file;

struct watched {
    enum watch_how how;
    bool again;  /* its table is that of the item before */
    bool global; /* its table is the globals table */
    /* Address of the object in a field or upvalue, or of the file's record. Of a field, NULL:
    ** compare with the value in the list. */
    const void *expected;
    uint64_t count; /* hash of a table's content; or the upvalue's index */
};

/* The items of a watch, and a Lua list, which belongs to it, with three values for each: table (or
** function), key, value. Zeros are an empty watch. */
struct watch {
    struct watched *items;
    uint32_t n, cap;
    lua_Integer table; /* index in the list of the last item's table */
    /* A table is too large to be hashed: the watch holds only until the clock tine__tick moves on,
    ** which was `tick`. */
    uint64_t tick;
    bool large;
    bool made; /* it is complete and may be asked */
};

/* Record the field with the key at `key` of the table at `t`. False: no memory. Here and below
** `list` is the stack index of the watch's list; memory errors may be raised. */
bool tine__watch_field(lua_State *L, struct watch *w, int list, int t, int key);
/* Record the table at `t`. */
bool tine__watch_table(lua_State *L, struct watch *w, int list, int t, enum watch_how how);
/* Record upvalue `i` of the function at `fn`. */
bool tine__watch_upvalue(lua_State *L, struct watch *w, int list, int fn, int i);
/* Record the file with that record, which lives as long as the codec. */
bool tine__watch_file(struct watch *w, const struct file *f);
/* Are the files as they were recorded? */
bool tine__watch_files_hold(const struct watch *w);
/* Is everything as it was recorded? The list is on top, at stack index `list`; other values may be
** left above it. `env` is the stack index of the globals table, or 0. Never raises. */
bool tine__watch_holds(lua_State *L, const struct watch *w, int list, int env);
/* Make it empty. Its list is the caller's. */
void tine__watch_free(struct watch *w);

#endif
