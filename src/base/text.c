#include "base/text.h"

#include <stdatomic.h>
#include <string.h>
#include "base/sys.h"

char *tine__text_copy_n(const char *bytes, size_t length) {
    char *copy = sys.malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, length);
    copy[length] = '\0';
    return copy;
}

char *tine__text_copy(const char *text) {
    return text ? tine__text_copy_n(text, strlen(text)) : NULL;
}

struct kept {
    struct kept *next;
    uint16_t number; /* one more than that of the next; 0: numbers were used up */
    char text[];
};

static struct kept *_Atomic all_kept;

static const char *find_kept(const struct kept *k, const char *text) {
    while (k && strcmp(k->text, text) != 0)
        k = k->next;
    return k ? k->text : NULL;
}

const char *tine__text_keep(const char *text) {
    struct kept *first =
        atomic_load_explicit(&all_kept, memory_order_acquire); /* acquire: the texts */
    const char *found = find_kept(first, text);
    size_t size = strlen(text) + 1;
    struct kept *k = found ? NULL : sys.malloc(sizeof *k + size);
    if (!k)
        return found;
    memcpy(k->text, text, size);
    do { /* two threads may keep the same text at once, which does no harm */
        k->next = first;
        k->number = !first ? 1 : first->number ? (uint16_t)(first->number + 1) : 0;
    } while (!atomic_compare_exchange_weak_explicit(&all_kept, &first, k, memory_order_release,
                                                    memory_order_acquire));
    return k->text;
}

uint16_t tine__text_number(const char *kept) {
    const struct kept *k = atomic_load_explicit(&all_kept, memory_order_acquire);
    while (kept && k && k->text != kept)
        k = k->next;
    return kept && k ? k->number : 0;
}

const char *tine__text_numbered(uint16_t number) {
    const struct kept *k = atomic_load_explicit(&all_kept, memory_order_acquire);
    while (number && k && k->number != number)
        k = k->next;
    return number && k ? k->text : NULL;
}
