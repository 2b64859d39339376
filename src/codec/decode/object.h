/* Decoding of values of registered classes, their metatables, and notes. */
#ifndef TINE_CODEC_DECODE_OBJECT_H
#define TINE_CODEC_DECODE_OBJECT_H

struct frame;
struct reader;

/* All items of operation OBJECT have come: replace them by the value. Raises. */
void tine__object_end(struct reader *r, struct frame *f);
/* An item of operation CLASS is on top. Raises. */
void tine__class_item(struct reader *r, struct frame *f);
/* All items of operation CLASS have come: replace them by the metatable. */
void tine__class_end(struct reader *r, struct frame *f);
/* The text of a note is on top, and remains there. Raises. */
void tine__note_end(struct reader *r, struct frame *f);

#endif
