/* Decoding of values of registered classes, their metatables, and notes. */
#ifndef TINE_CODEC_DECODE_OBJECT_H
#define TINE_CODEC_DECODE_OBJECT_H

struct frame;
struct reader;

void tine__object_end(struct reader *r, struct frame *f);
void tine__class_item(struct reader *r, struct frame *f);
void tine__class_end(struct reader *r, struct frame *f);
void tine__note_end(struct reader *r, struct frame *f);

#endif
