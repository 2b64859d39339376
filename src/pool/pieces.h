/* Pieces: what the tasks of an item print that is relayed (OUTPUT_RELAY), from when it comes until its owner takes it. The
** site sees to it that they are few (tine__item_written).
*/
#ifndef TINE_POOL_PIECES_H
#define TINE_POOL_PIECES_H

#include <stddef.h>
#include <stdint.h>

struct item;
struct item_rare;
struct pool;

struct piece {
    struct piece *next;
    uint32_t k;  /* of this task, */
    uint32_t to; /* to this stream, 1 or 2; 0: it begins to print, and this is its label */
    size_t length;
    char bytes[];
};

/* Take the oldest, to be freed; NULL: there is none just now. */
struct piece *tine__item_piece(struct pool *p, struct item *item);
/* So many bytes of them were written, or are wanted by nobody. */
void tine__item_written(struct pool *p, struct item *item, uint64_t bytes);
void tine__pieces_free(struct item_rare *rare);

#endif
