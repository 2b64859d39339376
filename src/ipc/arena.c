/* The arena: its file, which arenas this process has, and columns. */
#include "ipc/arena.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/map.h"
#include "base/own.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/arena_layout.h"

static OWN pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static OWN struct list arenas = {&arenas, &arenas}; /* the process's own arena comes first */
static OWN pid_t owner;

/* --- the arenas of this process --- */

/* What we have belongs to a parent: its mappings are gone, or were replaced. */
void tine__arena_forget(void) {
    pthread_mutex_init(&lock, NULL);
    list_init(&arenas);
    owner = getpid();
}

void tine__arena_enter(void) {
    if (owner != getpid())
        tine__arena_forget();
    pthread_mutex_lock(&lock);
}

void tine__arena_leave(void) {
    pthread_mutex_unlock(&lock);
}

struct arena *tine__arena_inherit(void) {
    owner = getpid(); /* the process that forked us has no other threads, so the lock is free */
    return list_empty(&arenas) ? NULL : LIST_ITEM(arenas.next, struct arena, node);
}

struct arena *tine__arena_find(uint64_t id) {
    for (struct list *n = arenas.next; n != &arenas; n = n->next)
        if (LIST_ITEM(n, struct arena, node)->head->id == id)
            return LIST_ITEM(n, struct arena, node);
    return NULL;
}

/* --- the file --- */

#define STEP ((uint64_t)1 << 20) /* the file grows in such steps */

/* Make the file at least `size` long. Another process may lengthen it further meanwhile; making it
** shorter then fails with EPERM. */
static int lengthen(const struct arena *a, uint64_t size) {
    struct stat st;
    if (sys.fstat(a->fd, &st) == -1)
        return TINE_ESYSTEM;
    while ((uint64_t)st.st_size < size) {
        int err = tine__fd_resize(a->fd, size);
        if (err == -1 && errno != EPERM)
            return TINE_ESYSTEM;
        if (sys.fstat(a->fd, &st) == -1)
            return TINE_ESYSTEM;
    }
    return 0;
}

int tine__arena_check(const struct arena *a, uint64_t offset, uint64_t size) {
    struct stat st;
    if (!tine__fd_ours(a->fd) || sys.fstat(a->fd, &st) == -1)
        return TINE_ESYSTEM;
    uint64_t file = (uint64_t)st.st_size;
    errno = EINVAL;
    return offset >= DATA_AT && offset <= file && size <= file - offset ? 0 : TINE_EINVALID;
}

uint64_t tine__arena_place(struct arena *a, uint64_t size) {
    uint64_t at = atomic_load(&a->head->end), next;
    size = arena_pages(size);
    if (!tine__fd_ours(a->fd))
        return 0;
    do {
        if (size > ARENA_END - at) {
            errno = ENOMEM;
            return 0;
        }
        next = at + size;
    } while (!atomic_compare_exchange_weak(&a->head->end, &at, next));
    return lengthen(a, (next + STEP - 1) & ~(STEP - 1)) ? 0 : at;
}

void tine__arena_replace(struct arena *a, uint64_t at, uint64_t size) {
    uint64_t end = at + arena_pages(size);
    atomic_compare_exchange_strong(&a->head->end, &end, at);
}

static int map_head(struct arena *a) {
    a->head = tine__map(a->fd, 0, HEAD_SIZE, true);
    if (!a->head)
        return TINE_ESYSTEM;
    a->seats = (struct seat *)((char *)a->head + SEATS_AT);
    return 0;
}

static int create_file(struct arena *a) {
    uint64_t id;
    a->fd = tine__fd_memfd("tine-arena", MFD_ALLOW_SEALING);
    if (a->fd == -1 || tine__fd_resize(a->fd, HEAD_SIZE) == -1 ||
        sys.fcntl(a->fd, F_ADD_SEALS, F_SEAL_SHRINK) == -1 || map_head(a))
        return TINE_ESYSTEM;
    if (getrandom(&id, sizeof id, GRND_NONBLOCK) != sizeof id)
        id = tine__now() ^ (uint64_t)getpid() << 48;
    a->head->id = id;
    a->head->end = DATA_AT;
    a->seat = 1;
    a->seats[1].word = seat_taken(SEAT_GIVEN, getpid());
    a->head->top_seat = 1;
    return 0;
}

/* --- opening and closing --- */

static void close_arena(struct arena *a) {
    list_remove(&a->node);
    for (uint32_t seat = 0; a->columns && seat < ARENA_SEATS; seat++)
        if (a->columns[seat])
            tine__unmap(a->columns[seat], COLUMN_SIZE);
    if (a->slots)
        tine__unmap(a->slots, SLOTS_SIZE);
    if (a->head)
        tine__unmap(a->head, HEAD_SIZE);
    tine__close(&a->fd);
    free(a->columns);
    free(a->regions);
    free(a);
}

static struct arena *new_arena(void) {
    struct arena *a = sys.calloc(1, sizeof *a);
    if (!a)
        return NULL;
    list_init(&a->node);
    a->fd = -1;
    a->users = 1;
    return a;
}

static struct arena *create(void) {
    struct arena *a = new_arena();
    if (!a || create_file(a)) {
        int err = errno;
        if (a)
            close_arena(a);
        errno = a ? err : ENOMEM;
        return NULL;
    }
    list_push_front(&arenas, &a->node);
    return a;
}

struct arena *tine__arena_get(void) {
    tine__arena_enter();
    struct arena *a = list_empty(&arenas) ? NULL : LIST_ITEM(arenas.next, struct arena, node);
    if (a && tine__fd_ours(a->fd))
        a->users++;
    else
        a = create();
    tine__arena_leave();
    return a;
}

void tine__arena_unuse(struct arena *a) {
    if (--a->users == 0)
        close_arena(a);
}

void tine__arena_put(struct arena *a) {
    if (!a)
        return;
    tine__arena_enter();
    if (!list_empty(&a->node))
        tine__arena_unuse(a);
    tine__arena_leave();
}

int tine__arena_fd(const struct arena *a) {
    return a->fd;
}

int tine__seat_take(struct arena *a, uint32_t ticket) {
    uint32_t s = seat_number(ticket);
    uint64_t w = atomic_load(&a->seats[s].word);
    a->seat = 0;
    if (!s)
        return 0;
    do
        if (!(w & SEAT_GIVEN) || seat_ticket(w, s) != ticket) {
            errno = ESRCH;
            return TINE_ESYSTEM;
        }
    while (!atomic_compare_exchange_weak(&a->seats[s].word, &w, seat_taken(w, getpid())));
    a->seat = s;
    return 0;
}

int tine__arena_attach(int fd, uint32_t ticket) {
    tine__arena_enter();
    struct arena *a = new_arena();
    int err = TINE_ESYSTEM;
    if (a) {
        a->fd = fd;
        err = map_head(a);
    }
    if (!err)
        err = tine__seat_take(a, ticket);
    if (!err) {
        list_push_front(&arenas, &a->node);
    } else if (a) {
        a->fd = -1; /* still the caller's */
        close_arena(a);
    }
    tine__arena_leave();
    return err;
}

/* --- columns --- */

struct cell *tine__arena_column(struct arena *a, uint32_t seat, bool *unknown) {
    if (a->columns && a->columns[seat])
        return a->columns[seat];
    uint64_t at = atomic_load(&a->seats[seat].column);
    struct cell *column = NULL;
    if (!at)
        return NULL;
    if (!a->columns)
        a->columns = sys.calloc(ARENA_SEATS, sizeof *a->columns);
    if (a->columns && tine__arena_check(a, at, COLUMN_SIZE) == 0)
        column = tine__map(a->fd, at, COLUMN_SIZE, true);
    if (column)
        a->columns[seat] = column;
    *unknown |= !column;
    return column;
}

int tine__arena_map_slots(struct arena *a) {
    if (!a->slots && lengthen(a, DATA_AT) == 0)
        a->slots = tine__map(a->fd, SLOTS_AT, SLOTS_SIZE, true);
    return a->slots ? 0 : TINE_ESYSTEM;
}

int tine__arena_use(struct arena *a) {
    bool unknown = false;
    if (!tine__fd_ours(a->fd) && (!a->slots || !a->columns || !a->columns[a->seat]))
        return TINE_ESYSTEM;
    if (a->seat == 0) {
        tine__why(ENOSPC, "there are too many processes that share memory");
        errno = ENOSPC;
        return TINE_ESYSTEM;
    }
    if (tine__arena_map_slots(a))
        return TINE_ESYSTEM;
    if (!atomic_load(&a->seats[a->seat].column)) {
        uint64_t at = tine__arena_place(a, COLUMN_SIZE);
        if (!at)
            return TINE_ESYSTEM;
        atomic_store(&a->seats[a->seat].column, at);
    }
    return tine__arena_column(a, a->seat, &unknown) ? 0 : TINE_ESYSTEM;
}
