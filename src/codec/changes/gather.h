/* Gathering: collecting the company of a name (company.h). What the files that do it share.
**
** Functions that return int return 0, or an error as those of encode/encoder.h do.
*/
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
    int list; /* stack index of the company's list */
    /* Stack index of a set: the tables that were scanned; and, as light userdata, the addresses of
    ** tables that are sent as a whole. */
    int met;
    int reach;      /* stack index of the reach (uses.h); 0: none is known */
    uint32_t count; /* changes in the list */
    /* The number of this gathering (names.looks). A module that it has looked at has it in
    ** name.look. */
    uint32_t look;
};

/* ---- gather.c ---- */

/* Append a change to the list: its four parts are on top (COMPANY_ITEM) and are popped. */
void tine__gather(struct gathering *g);
/* The value on top is that of a change. If it is a table that is sent by name, gather the changes
** in it; if it is another table, note that it is sent as a whole. */
int tine__gather_value(struct gathering *g);
/* Gather the changes in the table at `t`, which has the name of number `id`. */
int tine__gather_from(struct gathering *g, int t, uint32_t id);
/* If the program has set the metatable of the table at `t`, which has the name of number `id`,
** gather that as a change. */
int tine__gather_metatable(struct gathering *g, int t, uint32_t id);

/* ---- reach.c ---- */

/* May the table at `t`, on top, which has the name `n`, have changes that are sent? A table that
** is sent by name may. A table of data may if it is filled (scan.h) and does not look like a cache,
** or if it is empty or holds functions. */
bool tine__may_be_changed(const struct gathering *g, const struct name *n, int t);
/* Is name number `id` that of a table in a module that this gathering has looked at, which was not
** scanned together with the module's own table: a private class, a metatable, or a table that
** functions of the module fill? Then push the table and return the name; else NULL. */
struct name *tine__push_inner(const struct gathering *g, uint32_t id);

/* ---- variables.c ---- */

/* Gather the upvalues of functions of the modules into which the program has put something, mostly
** by calling a function that assigns them: a handler in place of another one. */
int tine__gather_variables(struct gathering *g);
/* Watch the functions and tables in these upvalues. False: no memory. */
bool tine__watch_variables(struct gathering *g, struct watch *w, int list);

#endif
