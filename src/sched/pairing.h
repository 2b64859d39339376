/* Pairing heap: the first of any number of things, by an order that its user gives. The nodes are members of
** the things; no memory is allocated. Putting one in and looking at the first take constant time, taking one
** out a logarithm, spread over all that is done. Pure.
**
** After: Fredman, Sedgewick, Sleator, Tarjan, "The pairing heap", Algorithmica 1 (1986).
*/
#ifndef TINE_SCHED_PAIRING_H
#define TINE_SCHED_PAIRING_H

#include <stdbool.h>
#include <stddef.h>

struct pairing_node {
    struct pairing_node *child, *next;
    struct pairing_node *back; /* the left sibling, or of a first child the parent */
};

struct pairing {
    struct pairing_node *root; /* the first; NULL: empty */
    bool (*before)(const struct pairing_node *a, const struct pairing_node *b);
};

/* Put in a node that is in none. */
void tine__pairing_put(struct pairing *h, struct pairing_node *n);
/* Take out a node that is in it. */
void tine__pairing_remove(struct pairing *h, struct pairing_node *n);

/* Is it the only one? It may change its place in the order then. */
static inline bool pairing_is_alone(const struct pairing *h, const struct pairing_node *n) {
    return h->root == n && !n->child;
}

#endif
