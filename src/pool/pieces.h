/* Pieces: output of tasks from another machine that is relayed to their submitter (OUTPUT_RELAY),
** kept until the item's owner takes it. The site stops reading output while too much is kept
** (tine__item_written). The functions take the pool's lock.
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
    uint32_t k;  /* the task */
    uint32_t to; /* the stream, 1 or 2; 0: the task begins to print, and the bytes are its label */
    size_t length;
    char bytes[];
};

/* Take the oldest piece, to be freed. NULL: there is none now. */
struct piece *tine__item_piece(struct pool *p, struct item *item);
/* The owner has written this many bytes of pieces, or will not write them. */
void tine__item_written(struct pool *p, struct item *item, uint64_t bytes);
void tine__pieces_free(struct item_rare *rare);

#endif
