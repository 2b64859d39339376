/* Encoding of changes: what the program has changed in modules and in Lua's standard libraries
** (changes/changes.h has what a change and a path are).
*/
#ifndef TINE_CODEC_ENCODE_CHANGE_H
#define TINE_CODEC_ENCODE_CHANGE_H

#include "codec/wire.h"

struct encoder;
struct step;

/* Append the path at stack index `path` and the value at the next one. `module` says for error
** messages where the change is: see STEP_CHANGE. If the value cannot be sent, a placeholder with
** the reason `stays` is appended instead; HELD_NONE: that is an error. If the path cannot be sent,
** false and a placeholder are appended. */
int tine__change_put(struct encoder *e, int module, int path, const struct step *up,
                     enum wire_held stays);
/* Append `count` changes of the list at `list`, each of which has three items: name of a standard
** library, path, value. */
int tine__changes_put(struct encoder *e, int list, int count, const struct step *step);

#endif
