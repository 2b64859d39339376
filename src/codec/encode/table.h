/* Tables to bytes. */
#ifndef TINE_CODEC_ENCODE_TABLE_H
#define TINE_CODEC_ENCODE_TABLE_H

struct encoder;
struct step;

/* Append the table at `t`: by name, or as what the message has met, or by value. */
int tine__encode_table(struct encoder *e, int t, const struct step *step);
/* The same of one that was met just now, and goes by value. */
int tine__encode_by_value(struct encoder *e, int t, const struct step *step);
/* Append its contents; `meta` is the index of its metatable, or 0. */
int tine__encode_contents(struct encoder *e, int t, int meta, const struct step *up);

#endif
