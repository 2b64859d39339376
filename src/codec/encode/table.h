/* Encoding of tables. */
#ifndef TINE_CODEC_ENCODE_TABLE_H
#define TINE_CODEC_ENCODE_TABLE_H

struct encoder;
struct step;

/* Append the table at `t`: as a reference if the message has it already, else by name or by
** value. */
int tine__encode_table(struct encoder *e, int t, const struct step *step);
/* Append the table at `t` by value. Its entry is the newest one in e->seen. */
int tine__encode_by_value(struct encoder *e, int t, const struct step *step);
/* Append the contents of the table at `t`, which has its ordinal already. `meta` is the stack index
** of the metatable to send; 0: none. */
int tine__encode_contents(struct encoder *e, int t, int meta, const struct step *up);

#endif
