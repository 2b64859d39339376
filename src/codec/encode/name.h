/* Encoding of names. An object that is sent by value is copied. One that is sent by name is not:
** the name says where in a loaded module the object is, and the receiver takes what its own module
** has there (names/names.h).
*/
#ifndef TINE_CODEC_ENCODE_NAME_H
#define TINE_CODEC_ENCODE_NAME_H

struct encoder;
struct name;
struct step;

/* Append the name of the object at `idx`, whose address is `p`, if it has one and may be sent by
** name. Returns an error, or:
**
**     NAME_BY_VALUE  nothing was appended; the caller sends the object by value
**     NAME_DONE      the name was appended, with its company
**     NAME_SAME      the operation SAME was begun; the caller must append the object by value
**     NAME_OBJECT    as NAME_SAME, with what modules keep about the object (encode/kept.h)
*/
enum { NAME_BY_VALUE, NAME_DONE, NAME_SAME, NAME_OBJECT };
int tine__name_encode(struct encoder *e, int idx, const void *p, const struct step *step);
/* Can the object at `idx` be sent by name, alone or with its value? Positive: yes (enum going), and
** *out is the name; 0: no; negative: an error. */
int tine__name_of(struct encoder *e, int idx, struct name **out);
/* Append the operation for what a new Lua state has under `name` ("string.format"). Returns 0 or
** TINE_ENOMEM; pushes no message. */
int tine__standard_put(struct buf *out, const char *name);
/* Append a name for the C function at `fn`, which is in no module: the name of a loaded module that
** has another function of the same shared library. Returns NAME_DONE or an error; 0: there is no
** such module. */
int tine__library_encode(struct encoder *e, int fn);

/* Append the operation of the name, which must have been made (tine__name_make_wire). Returns
** NAME_DONE or an error. */
int tine__name_put(struct encoder *e, const struct name *n);

#endif
