/* Gathering what goes along with a name: what the files that do it share. */
#ifndef TINE_CODEC_CHANGES_GATHER_H
#define TINE_CODEC_CHANGES_GATHER_H

#include <stdbool.h>
#include <stdint.h>

struct encoder;
struct file;
struct name;
struct watch;

struct gathering {
    struct encoder *e;
    int list; /* stack index: what was found */
    int met;  /* tables that were looked at; and as light userdata those that go along as a whole */
    int reach; /* what modules are loaded with it; 0: none are known */
    uint32_t count;
    uint32_t look; /* names.looks when modules were begun to be looked at */
};

/* ---- gather.c ---- */

/* Append the four values on top, which are taken. */
void tine__gather(struct gathering *g);
/* The value on top was found. If it is a table that goes by name, what was changed in it goes along, too; else it does so as a
** whole. */
int tine__gather_value(struct gathering *g);
/* What the program has changed in the table at `t`, whose name has that number. How much, or an error. */
int tine__gather_from(struct gathering *g, int t, uint32_t id);
/* The table at `t`, whose name has that number, may have its metatable from the program: then that goes along as a whole. 0 or an
** error. */
int tine__gather_metatable(struct gathering *g, int t, uint32_t id);

/* ---- reach.c ---- */

/* Does what the program has changed in the table at `t`, on top, go along? A module that is a table of data is what others
** keep things in. */
bool tine__may_be_changed(const struct gathering *g, const struct name *n, int t);
/* Is that a table in one of the modules that were looked at, and is it farther away than where one looks with the module
** itself, or a registry: a private class, a metatable? It is pushed then, and has a name. */
struct name *tine__push_inner(const struct gathering *g, uint32_t id);

/* ---- variables.c ---- */

/* What the program has put into variables of modules by way of functions which assign them: a handler in place of another. */
int tine__gather_variables(struct gathering *g);
/* Note which functions and tables are in them now. False: no memory. */
bool tine__watch_variables(struct gathering *g, struct watch *w, int list);

#endif
