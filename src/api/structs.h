/* Structs that programs pass in and that may be of another version of tine.h. Their first field is
** their size. */
#ifndef TINE_API_STRUCTS_H
#define TINE_API_STRUCTS_H

#include <stdbool.h>
#include <stddef.h>

/* The size of the struct when `field` was its last field. */
#define STRUCT_UPTO(type, field) (offsetof(type, field) + sizeof((type){0}.field))

/* Copy a program's struct over `ours`, whose defaults remain where the other one is shorter.
** `least` is the size in its first version. False: it is smaller than that, or sets a field that is
** unknown here. */
bool tine__struct_read(void *ours, size_t size, const void *given, size_t least);
/* Copy `ours` to a program's struct, as far as that has room. False: it is smaller than `least`. */
bool tine__struct_write(void *given, size_t least, void *ours, size_t size);

#endif
