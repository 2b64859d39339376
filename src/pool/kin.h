/* Kin: the children of all tasks (children.c), by the item of the task that has submitted one and the number that it knows
** it by. A task may have many thousands, and waits for them in any order.
*/
#ifndef TINE_POOL_KIN_H
#define TINE_POOL_KIN_H

#include <stddef.h>
#include <stdint.h>

struct item;

/* In a child. */
struct kin_node {
    struct kin_node *next;
    struct item *parent; /* NULL: it is nobody's any more */
    uint64_t number;
};

#define KIN_FEW 16

struct kin {
    struct kin_node **table; /* lists, by hash */
    size_t size, n;          /* size: a power of two */
    struct kin_node *few[KIN_FEW];
};

void tine__kin_init(struct kin *k);
void tine__kin_free(struct kin *k);
void tine__kin_put(struct kin *k, struct kin_node *node);
/* Harmless on one that is not in it. */
void tine__kin_remove(struct kin *k, const struct kin_node *node);
/* NULL: there is none. */
struct kin_node *tine__kin_find(const struct kin *k, const struct item *parent, uint64_t number);

#endif
