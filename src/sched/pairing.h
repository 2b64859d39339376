/* Pairing heap: the first of any number of things, by an order that its user gives. The nodes are
** members of the things; no memory is allocated. Putting a node in and looking at the first take
** constant time, taking a node out logarithmic time, amortized. Pure.
**
** After: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", Algorithmica 1 (1986).
*/
#ifndef TINE_SCHED_PAIRING_H
#define TINE_SCHED_PAIRING_H

#include <stdbool.h>
#include <stddef.h>

struct pairing_node {
    struct pairing_node *child, *next;
    struct pairing_node *back; /* the left sibling; of a first child: the parent */
};

struct pairing {
    struct pairing_node *root; /* the first; NULL: empty */
    bool (*before)(const struct pairing_node *a, const struct pairing_node *b);
};

/* Put in a node that is in no heap. */
void tine__pairing_put(struct pairing *h, struct pairing_node *n);
/* Take out a node of this heap. */
void tine__pairing_remove(struct pairing *h, struct pairing_node *n);

/* Is `n` the only node? Then its key may change while it stays in the heap. */
static inline bool pairing_is_alone(const struct pairing *h, const struct pairing_node *n) {
    return h->root == n && !n->child;
}

#endif
