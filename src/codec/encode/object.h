/* Registered classes to bytes. */
#ifndef TINE_CODEC_ENCODE_OBJECT_H
#define TINE_CODEC_ENCODE_OBJECT_H

#include <stdbool.h>

struct encoder;
struct step;

/* Push the record of the metatable at `meta`; false, and nothing, when it is not registered. */
bool tine__class_of(struct encoder *e, int meta);
/* A value of a registered class that says how its values travel; its record is on top of the stack. */
int tine__encode_object(struct encoder *e, int idx, const struct step *up);
/* A registered metatable as a value or as a metatable: its name, and itself by value for a process
** where nobody registered it. The record is on top of the stack. */
int tine__encode_class(struct encoder *e, int t, const struct step *up);
/* A table that serves as a metatable. */
int tine__encode_metatable(struct encoder *e, int meta, const struct step *up);

#endif
