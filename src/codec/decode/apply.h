/* Changes: what the program has changed in modules is applied to this process's modules for one
** call. */
#ifndef TINE_CODEC_DECODE_APPLY_H
#define TINE_CODEC_DECODE_APPLY_H

struct reader;

/* Note a change, to be applied when the whole message is read: the table (or the name of one of
** Lua's libraries), path and value on top, which are popped (see apply.c). Raises. */
void tine__await_change(struct reader *r);
/* Apply the changes that were noted. Raises. */
void tine__apply_changes(struct reader *r);

#endif
