/* Decoding of tables that are more than an array or a map. */
#ifndef TINE_CODEC_DECODE_TABLE_H
#define TINE_CODEC_DECODE_TABLE_H

struct frame;
struct reader;

/* An item of operation TABLE or ENVIRONMENT is on top: the number of array items, the metatable, an
** array item, a key or a value. Raises. */
void tine__table_item(struct reader *r, struct frame *f);
/* All items have come: set the metatable. */
void tine__table_end(struct reader *r, struct frame *f);

#endif
