#include "base/map.h"

#include <errno.h>
#include <string.h>

#include "base/list.h"
#include "base/own.h"
#include "base/sys.h"
#include "base/why.h"

struct mapping {
    struct list node;
    void *base;
    size_t size;
};

#define CHAINS 64u

static OWN pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static OWN struct list chains[CHAINS];
unsigned tine__map_forks;

/* Spreads addresses that are pages apart and those that are megabytes apart. */
static struct list *chain_of(const void *base) {
    uint64_t page = (uintptr_t)base >> 12;
    struct list *chain = &chains[(page ^ page >> 9) % CHAINS];
    if (!chain->next)
        list_init(chain);
    return chain;
}

void *tine__map(int fd, uint64_t offset, size_t size, bool writable) {
    int prot = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    if (!tine__fd_ours(fd))
        return NULL;
    struct mapping *m = sys.malloc(sizeof *m);
    if (!m)
        return NULL;
    pthread_mutex_lock(&lock);
    m->base = sys.mmap(NULL, size, prot, MAP_SHARED | MAP_NORESERVE, fd, (off_t)offset);
    m->size = size;
    void *base = m->base == MAP_FAILED ? NULL : m->base;
    if (base)
        list_push(chain_of(base), &m->node);
    pthread_mutex_unlock(&lock);
    if (!base) {
        tine__why(errno, "mmap of %zu bytes: %s", size, strerror(errno));
        free(m);
    }
    return base;
}

void tine__unmap(void *base, size_t size) {
    int saved = errno;
    pthread_mutex_lock(&lock);
    struct list *chain = chain_of(base);
    for (struct list *n = chain->next; n != chain; n = n->next) {
        struct mapping *m = LIST_ITEM(n, struct mapping, node);
        if (m->base != base)
            continue;
        list_remove(n);
        free(m);
        break;
    }
    munmap(base, size);
    pthread_mutex_unlock(&lock);
    errno = saved;
}

void tine__map_drop(void) {
    pthread_mutex_init(&lock, NULL);
    for (unsigned i = 0; i < CHAINS; i++)
        for (struct list *n; chains[i].next && (n = list_pop(&chains[i])) != NULL;) {
            struct mapping *m = LIST_ITEM(n, struct mapping, node);
            munmap(m->base, m->size);
            free(m);
        }
}

/* --- forks of the program --- */

void tine__map_before_fork(void) {
    pthread_mutex_lock(&lock);
}

static void replace(const struct mapping *m) {
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED;
    (void)mmap(m->base, m->size, PROT_READ | PROT_WRITE, flags, -1,
               0); /* if refused, the child goes on sharing it */
}

void tine__map_after_fork(bool child) {
    for (unsigned i = 0; child && i < CHAINS; i++)
        for (struct list *n = chains[i].next; n && n != &chains[i]; n = n->next)
            replace(LIST_ITEM(n, struct mapping, node));
    tine__map_forks += child;
    pthread_mutex_unlock(&lock);
}
