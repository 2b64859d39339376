/* Data: memory that all processes see (ipc/arena.h), as Lua has it: buffers, which are written to, and views of images,
** which are not.
**
**   buffer.c   a buffer's userdata and methods        pack.c     what lies in one, by formats
**   object.c   what both have in common               name.c     how messages name them
**   freeze.c   from tables to images                  build.h    their strings, shapes and tables
**   view.c     images as tables                       image.c    reading what lies in one (image.h: the format)
**
** What a message names is not checked by who sent it: a handle that stands for nothing, and a place that is none, are
** errors.
*/
#ifndef TINE_DATA_DATA_H
#define TINE_DATA_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "ipc/arena.h"

/* A buffer or a view, as messages name it. */
struct data_name {
    uint8_t kind; /* enum region_kind */
    struct handle handle;
    uint64_t place; /* of a view: in the image */
};
#define DATA_NAME_SIZE 25
void tine__data_write(unsigned char out[DATA_NAME_SIZE], const struct data_name *name);
void tine__data_read(struct data_name *name, const unsigned char in[DATA_NAME_SIZE]);

/* Is the value at `idx` one? Then its region, and its name if `name` is not NULL. */
struct region *tine__data_of(lua_State *L, int idx, struct data_name *name);
/* Push the one of that name: the same userdata as long as that lives. Raises, also when it is not there any more. */
void tine__data_push(lua_State *L, const struct data_name *name);

/* Raises: what is used is the memory of a parent process, in a child that the program has forked. Who has objects for
** errors sets it. */
extern int (*_Atomic tine__data_forked)(lua_State *L);

/* Push a new buffer. 0; or a code, and nothing pushed. May raise memory errors. */
int tine__buffer_new(lua_State *L, uint64_t size);
/* Push a view of an image of the table at `idx`. 0; or a code: with TINE_ESYSTEM errno tells, with others the message is
** on top. May raise memory errors. */
int tine__freeze(lua_State *L, int idx);
/* (view) -> a table: a copy. Raises. */
int tine__thaw(lua_State *L);

#endif
