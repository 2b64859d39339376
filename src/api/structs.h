/* Structs that programs hand over, of whatever version of the header: their size is their first field. */
#ifndef TINE_API_STRUCTS_H
#define TINE_API_STRUCTS_H

#include <stdbool.h>
#include <stddef.h>

/* What a struct measured when `field` was its last. */
#define STRUCT_UPTO(type, field) (offsetof(type, field) + sizeof((type){0}.field))

/* Copy what is given over `ours`, whose defaults stay where the other is shorter. `least`: what its first
** version had. False: it has not even that, or sets something that we do not know. */
bool tine__struct_read(void *ours, size_t size, const void *given, size_t least);
/* The other way: fill in as much as there is room for. False: not even `least`. */
bool tine__struct_write(void *given, size_t least, void *ours, size_t size);

#endif
