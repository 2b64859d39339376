/* Regions, as one process sees them. */
#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "base/quiet.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/arena_layout.h"

/* --- the regions that this process has --- */

/* Make room in the list for slot `index`. 0 or TINE_ENOMEM. */
static int make_room(struct arena *a, uint32_t index) {
    uint32_t room = a->room ? a->room : 16;
    if (index < a->room)
        return 0;
    while (room <= index)
        room *= 2;
    struct region **list = sys.realloc(a->regions, room * sizeof(struct region *));
    if (!list)
        return TINE_ENOMEM;
    memset(list + a->room, 0, (room - a->room) * sizeof(struct region *));
    a->regions = list;
    a->room = room;
    return 0;
}

/* Make a region, not mapped yet, for a slot that we hold or are about to. NULL: no memory. */
static struct region *enter_region(struct arena *a, uint32_t index) {
    const struct slot *s = &a->slots[index];
    struct region *r = make_room(a, index) ? NULL : sys.malloc(sizeof *r);
    if (!r)
        return NULL;
    *r = (struct region){.arena = a,
                         .size = s->size,
                         .offset = s->offset,
                         .index = index,
                         .generation = slot_generation(atomic_load(&s->word)),
                         .kind = s->kind,
                         .refs = 1};
    a->regions[index] = r;
    a->users++;
    return r;
}

static void leave_region(struct region *r) {
    r->arena->regions[r->index] = NULL;
    tine__arena_unuse(r->arena);
    free(r);
}

static size_t mapped_size(const struct region *r) {
    return r->size ? (size_t)r->size : 1;
}

static void unref(struct region *r) {
    if (--r->refs > 0)
        return;
    if (r->base)
        tine__unmap(r->base, mapped_size(r));
    tine__slot_drop(r->arena, r->index);
    leave_region(r);
}

static int map(struct region *r, bool writable) {
    r->base = tine__map(r->arena->fd, r->offset, mapped_size(r), writable);
    r->forks = tine__map_forks;
    return r->base ? 0 : TINE_ESYSTEM;
}

#define AT_ONCE ((size_t)64 << 20)
#define POPULATE_READ 22 /* MADV_POPULATE_READ, since Linux 5.14 */

/* Map an image, which is complete, with all its pages at once. That takes as long as some dozens of
** page faults, and each read of a nested field would cause half a dozen of them at first. */
static int map_image(struct region *r) {
    int err = map(r, false), saved = errno;
    size_t size = mapped_size(r);
    if (!err)
        (void)sys.madvise(r->base, size < AT_ONCE ? size : AT_ONCE, POPULATE_READ);
    errno = saved;
    return err;
}

/* --- making --- */

#define LARGEST ((uint64_t)1 << 46) /* the most that could be mapped at all */

/* Reserve memory for the region and map it. 0; or TINE_ESYSTEM, and nothing has changed. */
static int place(struct region *r) {
    r->offset = tine__arena_place(r->arena, mapped_size(r));
    if (!r->offset)
        return TINE_ESYSTEM;
    int err = map(r, true);
    if (err)
        tine__arena_replace(r->arena, r->offset, mapped_size(r));
    return err;
}

/* Make the region of a claimed slot. */
static int fill(struct arena *a, struct region **out, uint32_t index, enum region_kind kind,
                uint64_t size) {
    struct slot *s = &a->slots[index];
    s->size = size;
    s->kind = kind;
    struct region *r = enter_region(a, index);
    int err = r ? place(r) : TINE_ENOMEM;
    if (err && r)
        leave_region(r);
    if (err)
        return err;
    s->offset = r->offset;
    tine__slot_publish(a, index);
    *out = r;
    return 0;
}

static int make(struct arena *a, struct region **out, enum region_kind kind, uint64_t size) {
    if (size > LARGEST) {
        errno = ENOMEM;
        return TINE_ESYSTEM;
    }
    if (tine__arena_use(a))
        return TINE_ESYSTEM;
    uint32_t index = tine__slot_claim(a);
    if (index == ARENA_SLOTS) {
        tine__why(ENOSPC, "there are %u of them already", ARENA_SLOTS);
        return TINE_ESYSTEM;
    }
    int err = fill(a, out, index, kind, size), saved = errno;
    if (err)
        tine__slot_abandon(a, index);
    errno = saved;
    return err;
}

int tine__region_new(struct region **out, enum region_kind kind, uint64_t size) {
    tine__why_clear();
    struct arena *a = tine__arena_get();
    if (!a)
        return errno == ENOMEM ? TINE_ENOMEM : TINE_ESYSTEM;
    tine__arena_enter();
    int err = make(a, out, kind, size), saved = errno;
    tine__arena_unuse(a);
    tine__arena_leave();
    errno = saved;
    return err;
}

/* By a write, which spares a page fault for each page. */
static int write_all(const struct region *r, const char *bytes) {
    uint64_t done = 0;
    while (done < r->size) {
        off_t at = (off_t)(r->offset + done);
        ssize_t n = tine__quiet_pwrite(r->arena->fd, bytes + done, r->size - done, at);
        if (n == -1 && errno != EINTR)
            return TINE_ESYSTEM;
        done += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

int tine__region_seal(struct region *r, const char *bytes) {
    if (!tine__fd_ours(r->arena->fd))
        return TINE_ESYSTEM;
    int err = write_all(r, bytes);
    if (err)
        return err;
    tine__arena_enter();
    tine__unmap(r->base, mapped_size(r));
    err = map_image(r);
    tine__arena_leave();
    return err;
}

/* --- finding --- */

/* The region of a handle, held; it may be one that this process has already. NULL: *err. */
static struct region *find(struct arena *a, const struct handle *h, int *err) {
    *err = TINE_EINVALID;
    if (!a || h->index >= ARENA_SLOTS)
        return NULL;
    struct region *r = h->index < a->room ? a->regions[h->index] : NULL;
    if (r && r->generation == h->generation) {
        r->refs++;
        return r;
    }
    if (r)
        return NULL;
    if (tine__arena_use(a)) {
        *err = TINE_ESYSTEM;
        return NULL;
    }
    if (!tine__slot_hold(a, h->index, h->generation))
        return NULL;
    r = enter_region(a, h->index);
    if (!r) {
        tine__slot_drop(a, h->index);
        *err = TINE_ENOMEM;
    }
    return r;
}

static int map_found(struct region *r) {
    if (r->base)
        return 0;
    int err = tine__arena_check(r->arena, r->offset, mapped_size(r));
    if (err)
        return err;
    return r->kind == REGION_IMAGE ? map_image(r) : map(r, true);
}

int tine__region_open(struct region **out, const struct handle *h, enum region_kind kind) {
    int err;
    tine__why_clear();
    tine__arena_enter();
    struct region *r = find(tine__arena_find(h->arena), h, &err);
    if (r)
        err = r->kind == kind ? map_found(r) : TINE_EINVALID;
    if (r && err)
        unref(r);
    *out = r;
    tine__arena_leave();
    return err;
}

static void ref(struct region *r) {
    tine__arena_enter();
    r->refs++;
    tine__arena_leave();
}

/* In a forked child of the program, inherited regions are left as they are. */
static bool is_inherited(const struct region *r) {
    return r->forks != tine__map_forks && r->base;
}

void tine__region_unref(struct region *r) {
    if (!r || is_inherited(r))
        return;
    tine__arena_enter();
    unref(r);
    tine__arena_leave();
}

struct handle tine__region_handle(const struct region *r) {
    return (struct handle){r->arena->head->id, r->index, r->generation};
}

bool tine__region_is_ours(const struct region *r) {
    return r->forks == tine__map_forks;
}

/* --- messages --- */

int tine__carry(struct carried *c, struct region *r) {
    if (c->n > 0 && c->list[c->n - 1] == r)
        return 0;
    if (c->n == c->room) {
        uint32_t room = c->room ? 2 * c->room : 4;
        struct region **list = sys.realloc(c->list, room * sizeof(struct region *));
        if (!list)
            return TINE_ENOMEM;
        c->list = list;
        c->room = room;
    }
    ref(r);
    c->list[c->n++] = r;
    return 0;
}

int tine__carry_all(struct carried *to, const struct carried *from) {
    int err = 0;
    for (uint32_t i = 0; i < from->n && !err; i++)
        err = tine__carry(to, from->list[i]);
    return err;
}

int tine__carry_named(struct carried *c, const struct handle *h) {
    int err;
    tine__arena_enter();
    struct region *r = find(tine__arena_find(h->arena), h, &err);
    tine__arena_leave();
    if (!r)
        return err;
    err = tine__carry(c, r);
    tine__region_unref(r);
    return err;
}

void tine__carried_drop(struct carried *c) {
    for (uint32_t i = 0; i < c->n; i++)
        tine__region_unref(c->list[i]);
    free(c->list);
    *c = (struct carried){0};
}

uint32_t tine__carried_send(const struct carried *c, uint32_t at, struct handle *out,
                            uint32_t max) {
    uint32_t n = c->n - at < max ? c->n - at : max;
    for (uint32_t i = 0; i < n; i++) {
        const struct region *r = c->list[at + i];
        out[i] = tine__region_handle(r);
        atomic_fetch_add(&r->arena->columns[r->arena->seat][r->index].sent, 1);
    }
    return n;
}

void tine__carried_take(struct carried *c, struct arena *a, uint32_t ticket,
                        const struct handle *h) {
    int err;
    bool unknown = false;
    if (h->index >= ARENA_SLOTS)
        return;
    tine__arena_enter();
    struct region *r = h->arena == a->head->id ? find(a, h, &err) : NULL;
    struct cell *column = tine__arena_column(a, seat_number(ticket), &unknown);
    if (column)
        atomic_fetch_add(&column[h->index].taken, 1);
    tine__arena_leave();
    if (!r)
        return;
    (void)!tine__carry(c, r);
    tine__region_unref(r);
}
