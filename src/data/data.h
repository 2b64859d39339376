/* Data: memory that all processes share (ipc/arena.h), as Lua values: buffers, which can be
** written, and views of images (frozen tables), which cannot.
**
**   buffer.c   a buffer's userdata and methods        pack.c     reading and writing one by formats
**   object.c   what both have in common               name.c     how messages refer to them
**   freeze.c   from tables to images                  build.h    their strings, shapes and tables
**   view.c     images as tables                       image.c    reading an image (format: image.h)
**
** Names in messages are not trusted: a handle of no region, or a place without a table, raises an
** error.
*/
#ifndef TINE_DATA_DATA_H
#define TINE_DATA_DATA_H

#include <stdbool.h>
#include <stdint.h>
#include <lua.h>
#include "ipc/arena.h"

/* How messages refer to a buffer or a view. */
struct data_name {
    uint8_t kind; /* enum region_kind */
    struct handle handle;
    uint64_t place; /* of a view: place of its table in the image */
};
#define DATA_NAME_SIZE 25
void tine__data_write(unsigned char out[DATA_NAME_SIZE], const struct data_name *name);
void tine__data_read(struct data_name *name, const unsigned char in[DATA_NAME_SIZE]);

/* The region of the buffer or view at `idx`, borrowed, and its name if `name` is not NULL.
** NULL: another value. */
struct region *tine__data_of(lua_State *L, int idx, struct data_name *name);
/* Push the buffer or view with this name: the same userdata as long as that lives. Raises, also if
** its memory is gone. */
void tine__data_push(lua_State *L, const struct data_name *name);

/* Raises an error for memory of the parent process that is used in a forked child. Set by the
** module that makes error objects. */
extern int (*_Atomic tine__data_forked)(lua_State *L);

/* Push a new buffer. 0; or a code with nothing pushed. May raise memory errors. */
int tine__buffer_new(lua_State *L, uint64_t size);
/* Push a view of an image of the table at `idx`. 0; or a code: with TINE_ESYSTEM, errno is set;
** with others the message is on top. May raise memory errors. */
int tine__freeze(lua_State *L, int idx);
/* Lua function (view) -> a table with a deep copy. */
int tine__thaw(lua_State *L);

#endif
