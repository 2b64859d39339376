/* How much of what modules hold is looked at. */
#ifndef TINE_CODEC_LIMITS_H
#define TINE_CODEC_LIMITS_H

/* So many fields of a table are looked at. Where there are more, in a module's table and those in it, the long look
** (changes.c) is taken whenever the clock has moved on; else as soon as anything has changed. */
#define MODULE_FIELDS 8192
/* A private table that functions of a module fill, and in so many fields of which, with those of the tables in it, nothing is
** that the program has given, is a cache. */
#define KEPT_FIELDS 256
/* So much data under keys of the program's may there be in a table that functions fill, with all that is in it: else it is a
** cache, too. */
#define KEPT_DATA 64

#endif
