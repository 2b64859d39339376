/* Label: the name of a task in errors, statistics and process lists; the same text on every
** side. */
#ifndef TINE_MSG_LABEL_H
#define TINE_MSG_LABEL_H

#include <stddef.h>
#include <stdint.h>
#include "msg/origin.h"

/* What a label is made of. The texts are borrowed. */
struct task_name {
    uint64_t id;                       /* of the first task of a call */
    uint64_t index;                    /* of that task in its map, from 1; 0: not of a map */
    const struct codec_origin *origin; /* of the function, or NULL */
    const char *label;                 /* given by the user, or NULL */
    uint32_t label_len;
};

/* The label of task k of the call: the given label, or `name (file:line) #id`. For a map, the
** item's [index] follows the label or name. Writes at most `size` bytes, NUL included; returns the
** length of the whole label. */
size_t tine__label(const struct task_name *name, uint32_t k, char *out, size_t size);

#endif
