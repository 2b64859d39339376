/* Kin: a hash table of all children (children.c): tasks submitted by tasks. The key is the parent's
** item and the number that the parent's worker gave to the child. A task may have many thousands of
** children and wait for them in any order. Under the pool's lock.
*/
#ifndef TINE_POOL_KIN_H
#define TINE_POOL_KIN_H

#include <stddef.h>
#include <stdint.h>

struct item;

/* Member of a child. */
struct kin_node {
    struct kin_node *next;
    struct item *parent; /* NULL: the parent has ended */
    uint64_t number;
};

#define KIN_FEW 16

struct kin {
    struct kin_node **table; /* hash buckets: linked lists */
    size_t size, n;          /* size: a power of two */
    struct kin_node *few[KIN_FEW];
};

void tine__kin_init(struct kin *k);
void tine__kin_free(struct kin *k);
void tine__kin_put(struct kin *k, struct kin_node *node);
/* Does nothing if the node is not in the table. */
void tine__kin_remove(struct kin *k, const struct kin_node *node);
/* NULL: there is none. */
struct kin_node *tine__kin_find(const struct kin *k, const struct item *parent, uint64_t number);

#endif
