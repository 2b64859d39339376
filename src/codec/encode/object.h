/* Encoding of values of registered classes (tine.register), and of metatables. A class's record is
** the table that tine.register has made for it (registry.h).
*/
#ifndef TINE_CODEC_ENCODE_OBJECT_H
#define TINE_CODEC_ENCODE_OBJECT_H

#include <stdbool.h>

struct encoder;
struct step;

/* Push the record of the class that has the metatable at `meta`; false, and nothing is pushed: the
** metatable is not registered. */
bool tine__class_of(struct encoder *e, int meta);
/* Append the value at `idx` as its class's encode function returns it. The record of the class is
** on top and is popped. The value has its ordinal already. */
int tine__encode_object(struct encoder *e, int idx, const struct step *up);
/* Append the registered metatable at `t`: the name of its class, and its contents for a process in
** which no such class is registered; if these cannot be sent, a note says why. The record of the
** class is on top and is popped. */
int tine__encode_class(struct encoder *e, int t, const struct step *up);
/* Append the table at `meta`, which is the metatable of a value. */
int tine__encode_metatable(struct encoder *e, int meta, const struct step *up);

#endif
