/* Decoding of tables that are more than an array or a map. */
#ifndef TINE_CODEC_DECODE_TABLE_H
#define TINE_CODEC_DECODE_TABLE_H

struct frame;
struct reader;

void tine__table_item(struct reader *r, struct frame *f);
void tine__table_end(struct reader *r, struct frame *f);

#endif
