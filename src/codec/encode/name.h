/* Names to bytes. */
#ifndef TINE_CODEC_ENCODE_NAME_H
#define TINE_CODEC_ENCODE_NAME_H

struct encoder;
struct name;
struct step;

/* Append the operation that names the value at `idx` (address `p`), if it can be reached from a loaded module
** and the rule lets it go by name. NAME_SAME: the value must follow; NAME_OBJECT: with what modules
** keep about it. Negative: error. */
enum { NAME_BY_VALUE, NAME_DONE, NAME_SAME, NAME_OBJECT };
int tine__name_encode(struct encoder *e, int idx, const void *p, const struct step *step);
/* Does it go by name, alone or with its value? *out says which, and it is positive; 0: no; negative: error. */
int tine__name_of(struct encoder *e, int idx, struct name **out);
/* Append the operation that stands for what a new Lua state has under that name. 0, or there is no memory. */
int tine__standard_put(struct buf *out, const char *name);
/* Likewise a C function of a loaded module's library. 0: there is none such. */
int tine__library_encode(struct encoder *e, int fn);

/* Append the operation of the name, which was made. NAME_DONE, or an error. */
int tine__name_put(struct encoder *e, const struct name *n);

#endif
