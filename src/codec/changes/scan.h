/* A look at a table of a module for what the program has changed: what the files that take it share. */
#ifndef TINE_CODEC_CHANGES_SCAN_H
#define TINE_CODEC_CHANGES_SCAN_H

#include <lua.h>
#include <stdbool.h>

struct encoder;
struct file;

#define SCAN_ITEMS 1024 /* fields of a table in the module's own */

struct scan {
    struct encoder *e;
    const struct file *file; /* of the module, unless it is one of Lua's own: */
    const char *module;
    const char *name; /* of the module */
    int table;        /* stack index: the table that is looked at, with those in it, */
    int list;         /* paths and values in turn, */
    int seen;         /* the tables that were looked at */
    int reach;        /* the modules that are loaded with it; 0: none */
    int count;
    bool first;    /* the table was never looked at before */
    bool root;     /* it is the module's own table */
    bool filled;   /* it is one that functions fill: a private one, or a module of data */
    bool told;     /* and into which they put what they are given, under such keys */
    bool weak;     /* it has weak keys or values */
    bool settings; /* it may have settings of the program's */
    bool data;     /* and it is looked at for data that they have been given, too */
};

/* ---- scan.c ---- */

/* Append the path and the value, which are on top, and taken. */
void tine__scan_add_at(struct scan *s);
/* Push the path to the key on top, which is taken, as a list: the step at `prefix` (0: false), and the key. There is room for one
** more. */
void tine__scan_push_path(struct scan *s, int prefix);
/* Append the path (the step at `prefix`, if any, and the key) and the value, which is on top. */
void tine__scan_add(struct scan *s, int prefix, int key);
/* Push the lists of a new look. */
void tine__scan_open(struct scan *s);

/* ---- changes.c ---- */

/* Look at the table at `t`: the module's own, or what is in it under the step at `prefix`. */
void tine__scan_fields(struct scan *s, int t, int prefix);

/* ---- known.c ---- */

/* Push the record of the table at `t`: key -> what belongs there, and at `true` how many these are. */
lua_Integer tine__scan_push_known(struct scan *s, int t);
/* The key at `key` is in the record from now on, with the value on top, which is taken. */
void tine__scan_record(lua_State *L, int own, int key, bool is_new);

/* A value of the libraries themselves that is no function. */
bool tine__scan_is_standard(struct scan *s, int key);
/* What the metatable of strings has that a new state's has not: under the step `true`. */
void tine__scan_strings(struct scan *s, int t);

/* ---- given.c ---- */

/* Push the __call of the table on top; false, and nothing, when it cannot be called. */
bool tine__push_call(lua_State *L);
/* Is the key in a registry one that the program has thought of? */
bool tine__scan_is_foreign(struct scan *s, int key);
/* Has another module that is loaded with it put the function at `value`, or the table that holds it, there, under that key? The
** program may have done so with that module's function, but then in a registry, and under a key of its own. */
bool tine__scan_is_of_reach(struct scan *s, int value, int key);
/* Is the value at `value`, in what is under that key, a Lua function that no module has put there? */
bool tine__scan_is_programs(struct scan *s, int value, int key);
/* Does the function on top belong to the module, under that key, as far as can be seen? What was made from a text and lies in
** a private table is taken for something that the module has compiled and keeps, a template, a pattern: it makes it again
** where it needs it, and there may be many. */
bool tine__scan_belongs(struct scan *s, int key);
/* Has the program put the table on top there? It has if it holds a function of the program's, unless the module's file
** stores something under such a key: then it may be the module's, and the function was put into it. In a registry it has, too,
** if it holds any function and no file has that key. */
bool tine__scan_is_added(struct scan *s, int key);
/* Is the table on top an object of a class of the program's, without anything that cannot travel? */
bool tine__scan_is_given_object(struct scan *s, int key);
/* Has the table at `t` weak keys or values? */
bool tine__scan_is_weak(lua_State *L, int t);
/* Is the value on top, under the key below it, data that the program has given to a function of the module, as far as that can be
** seen? */
bool tine__scan_is_data(struct scan *s, int key);
/* May the table at `t` be a registry of data, and no cache? */
bool tine__scan_keeps_data(struct scan *s, int t);
/* Is the module's table at `t` a C library's, too, which has filled it? */
bool tine__scan_is_librarys(struct scan *s, int t);

/* ---- aliases.c ---- */

/* Functions of the module under names or in places that the program may have given them before anybody looked, so that
** they were taken for the module's own doing. `before`: so much had been found when the look at the table began. */
void tine__scan_aliases(struct scan *s, int own, int t, int prefix, int before);

/* ---- lists.c ---- */

/* What was found in the list at `t` from number `before` on goes where it is there, among items that the other side has, too. */
void tine__scan_placed(struct scan *s, int t, int prefix, int before);

/* Is that a key to which a path leads? */
static inline bool scan_is_step(lua_State *L, int key) {
    return lua_type(L, key) == LUA_TSTRING || (lua_isinteger(L, key) && lua_tointeger(L, key) > 0);
}

#endif
