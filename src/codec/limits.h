/* Limits for searching the tables of modules. */
#ifndef TINE_CODEC_LIMITS_H
#define TINE_CODEC_LIMITS_H

/* How many fields of a table are looked at. If a table of a module, or one in it, has more, a watch
** of it (changes/watch.h) holds only until the clock moves on; otherwise until something has
** changed. */
#define MODULE_FIELDS 8192
/* How many fields of a private table that functions of a module fill, with those of the tables in
** it, are searched for values that the program has given. If there are none among these, the table
** is considered a cache. */
#define KEPT_FIELDS 256
/* How much data of the program, with all that is in it, a table may hold that functions of a module
** fill. If there is more, the table is considered a cache. */
#define KEPT_DATA 64

#endif
