/* Scans: looking for changes in a table of a module and in the tables in its fields. What the files
** that do it share. changes.h says what changes and paths are.
**
** The record of a table is a Lua table in ST_CHANGES: for each key with a function or a callable
** table, what belongs there; false where the program's was found when the table was scanned first.
** Under the key `true` is the number of keys.
**
** A filled table is a table of data into which functions of its module put what they are called
** with: a list of handlers, a registry of plug-ins. A foreign key is a string key that is in no
** file of the module and its reach, so that the program must have chosen it.
*/
#ifndef TINE_CODEC_CHANGES_SCAN_H
#define TINE_CODEC_CHANGES_SCAN_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct file;

#define SCAN_ITEMS 1024 /* fields that are looked at in a table in the module's own */

struct scan {
    struct encoder *e;
    const struct file *file; /* of the module; NULL: none, or it is a standard library */
    const char *module;      /* name of the standard library, else NULL */
    const char *name;        /* name of the module */
    /* Stack indices: the table that is scanned; the list of paths and values; the set of tables
    ** scanned so far; the reach (uses.h), 0: none. */
    int table;
    int list;
    int seen;
    int reach;
    int count;   /* changes in the list */
    bool first;  /* the table that is scanned now had no record */
    bool root;   /* `table` is the module's own table */
    bool filled; /* `table` is a filled table */
    /* functions put into `table` what they are called with, under keys that they are called with */
    bool told;
    bool weak;     /* the table that is scanned now has weak keys or values, */
    bool settings; /* may have settings (settings.h), */
    bool data;     /* may hold data that was given to functions of the module */
};

/* ---- scan.c ---- */

/* Append the path and the value on top to the list, and pop them. */
void tine__scan_add_at(struct scan *s);
/* Replace the key on top by the path { step, key }. The step is at `prefix`; 0: it is false. */
void tine__scan_push_path(struct scan *s, int prefix);
/* Append the value on top, which stays there. Its path is the key at `key`, or with `prefix` the
** list { step, key }. */
void tine__scan_add(struct scan *s, int prefix, int key);
/* Push the tables `list` and `seen` for a new scan. */
void tine__scan_open(struct scan *s);

/* ---- changes.c ---- */

/* Scan the table at `t`: the module's own, or the one in its field with the key at `prefix` (0:
** none). */
void tine__scan_fields(struct scan *s, int t, int prefix);

/* ---- known.c ---- */

/* Push the record of the table at `t`, made now if there was none (s->first), and return the number
** of its keys. */
lua_Integer tine__scan_push_known(struct scan *s, int t);
/* Set the key at `key` in the record at `own` to the value on top, which is popped. `is_new`: the
** record did not have the key. */
void tine__scan_record(lua_State *L, int own, int key, bool is_new);

/* Is the value on top, no function, under the key at `key` what a new state has in the standard
** library? */
bool tine__scan_is_standard(struct scan *s, int key);
/* Append what the metatable of strings has beyond that of a new state. `t` is the table of the
** library string. */
void tine__scan_strings(struct scan *s, int t);

/* ---- given.c ---- */

/* Push the function __call of the table on top; false, and nothing is pushed: it has none. */
bool tine__push_call(lua_State *L);
/* Is the key at `key` a foreign key in a filled table? */
bool tine__scan_is_foreign(struct scan *s, int key);
/* Is the table filled, and has another module of the reach put the function at `value` there, under
** the key at `key`? The program may put functions of other modules there, too, but that is assumed
** only under a foreign key. */
bool tine__scan_is_of_reach(struct scan *s, int value, int key);
/* Is the value at `value` a Lua function that no module has put there? `key` is the key under which
** it is, or under which the table that holds it is. */
bool tine__scan_is_programs(struct scan *s, int value, int key);
/* Does the function on top belong to the module, under the key at `key` (0: none), as far as can be
** seen? A function that was made from a text and is in a filled table is taken for something that
** the module has compiled (a template, a pattern): the receiver's module does so itself when it
** needs it, and there may be many. */
bool tine__scan_belongs(struct scan *s, int key);
/* Has the program put the table on top there, under the key at `key`? It has if the table holds a
** function of the program, unless the module's file stores something under such a key: then the
** table may be the module's, and only the function was put into it. In a filled table it has also
** if the table holds any function and the key is foreign. */
bool tine__scan_is_added(struct scan *s, int key);
/* Is the table on top an object of a class of the program, without anything in it that cannot be
** sent? */
bool tine__scan_is_given_object(struct scan *s, int key);
/* Is the table on top, which is a key, such an object, or a table that holds a function of the
** program? */
bool tine__scan_is_given_key(struct scan *s);
/* Has the table at `t` weak keys or values? */
bool tine__scan_is_weak(lua_State *L, int t);
/* Is the value on top, under the key at `key`, data that the program has given to a function of the
** module, as far as can be seen? */
bool tine__scan_is_data(struct scan *s, int key);
/* May the filled table at `t` hold data of the program, and be no cache? */
bool tine__scan_keeps_data(struct scan *s, int t);
/* Is the module's table at `t` also that of a C library, which has filled it? */
bool tine__scan_is_librarys(struct scan *s, int t);

/* ---- aliases.c ---- */

/* Append functions of the module that are under names or at places where the program may have put
** them before the table was scanned first, so that the record says they belong there. `own`: the
** record; `before`: s->count before the scan of the table at `t`. */
void tine__scan_aliases(struct scan *s, int own, int t, int prefix, int before);

/* ---- lists.c ---- */

/* Of the changes from number `before` on, give those that are items of the list at `t` paths by
** which the receiver inserts them among the items that its own list has. */
void tine__scan_placed(struct scan *s, int t, int prefix, int before);

/* Is the key at `key` one that can be a path or a step of a path? */
static inline bool scan_is_step(lua_State *L, int key) {
    return lua_type(L, key) == LUA_TSTRING || (lua_isinteger(L, key) && lua_tointeger(L, key) > 0);
}

#endif
