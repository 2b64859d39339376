/* The store on the submitter's side. */
#include "store/store.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/random.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/hot.h"
#include "base/sys.h"
#include "store/blob.h"

struct blob {
    struct codec_stored stored; /* first member; its texts follow the struct */
    atomic_uint refs;           /* becomes 0 only with the lock held */
    struct blob *next;          /* in its bucket; or, taken out, in a list to be freed */
    uint64_t key;               /* hash of the content */
    uint64_t block;             /* offset in the heap; 0: not there */
    bool value;                 /* a shared value, not found by content */
    struct store_refs names;    /* what the shared value names */
    char text[];
};

struct store {
    pthread_mutex_t lock;
    struct heap *heap;
    bool retired;
    bool by_content;
    uint64_t salt; /* by_content: makes ids of shared values unique among processes */
    uint64_t made; /* number of ids given */
    struct blob **buckets;
    size_t nbuckets, count; /* nbuckets: a power of two */
};

#define FIRST_BUCKETS 64u

/* --- opening and closing --- */

int tine__store_open(struct store **out, struct heap *heap, bool by_content) {
    struct store *s = *out = sys.calloc(1, sizeof *s);
    if (!s)
        return TINE_ENOMEM;
    s->buckets = sys.calloc(FIRST_BUCKETS, sizeof *s->buckets);
    if (!s->buckets) {
        free(s);
        *out = NULL;
        return TINE_ENOMEM;
    }
    s->nbuckets = FIRST_BUCKETS;
    s->heap = heap;
    s->by_content = by_content;
    if (by_content && getrandom(&s->salt, sizeof s->salt, 0) != sizeof s->salt)
        s->salt = tine__now() ^ (uint64_t)(uintptr_t)s;
    pthread_mutex_init(&s->lock, NULL);
    return 0;
}

void tine__store_retire(struct store *s) {
    pthread_mutex_lock(&s->lock);
    s->retired = true;
    tine__heap_retire(s->heap);
    pthread_mutex_unlock(&s->lock);
}

void tine__store_close(struct store *s) {
    if (!s)
        return;
    for (size_t i = 0; i < s->nbuckets; i++)
        for (struct blob *b = s->buckets[i], *next; b; b = next) {
            next = b->next;
            free(b->names.far);
            tine__carried_drop(&b->names.carried);
            free(b);
        }
    pthread_mutex_destroy(&s->lock);
    free(s->buckets);
    free(s);
}

/* --- calls --- */

static int no_memory(const struct store *s) {
    return s->retired ? TINE_ESHUTDOWN : TINE_ENOMEM;
}

int tine__store_grow(struct store *s, uint64_t *block, size_t used, size_t size, char **data,
                     size_t *capacity) {
    pthread_mutex_lock(&s->lock);
    char *p = *block ? tine__heap_grow(s->heap, block, used, size)
                     : tine__heap_alloc(s->heap, size, block);
    if (p)
        *capacity = tine__heap_capacity(s->heap, *block);
    int err = p ? 0 : no_memory(s);
    pthread_mutex_unlock(&s->lock);
    if (p)
        *data = p;
    return err;
}

bool tine__store_free(struct store *s, uint64_t block) {
    pthread_mutex_lock(&s->lock);
    tine__heap_free(s->heap, block);
    bool untidy = tine__heap_untidy(s->heap);
    pthread_mutex_unlock(&s->lock);
    return untidy;
}

uint64_t tine__store_tidy(struct store *s, uint64_t now) {
    pthread_mutex_lock(&s->lock);
    uint64_t due = tine__heap_untidy(s->heap) ? tine__heap_tidy(s->heap, now) : 0;
    pthread_mutex_unlock(&s->lock);
    return due;
}

/* --- finding blobs --- */

static uint64_t key_of(const struct codec_code *code, const struct codec_origin *o) {
    const uint64_t parts[] = {code->bytes ? code->hash : 0, code->len,
                              tine__hash(o->name, strlen(o->name)),
                              tine__hash(o->source, strlen(o->source)), (uint64_t)o->line};
    return tine__hash(parts, sizeof parts);
}

static bool same(const struct blob *b, const struct codec_code *code,
                 const struct codec_origin *o) {
    const struct codec_origin *own = &b->stored.origin;
    return !b->value && b->stored.code.len == code->len && own->line == o->line &&
           strcmp(own->name, o->name) == 0 && strcmp(own->source, o->source) == 0 &&
           (code->len == 0 || memcmp(b->stored.code.bytes, code->bytes, code->len) == 0);
}

static struct blob **bucket_of(struct store *s, uint64_t key) {
    return &s->buckets[key & (s->nbuckets - 1)];
}

static struct blob *find(struct store *s, uint64_t key, const struct codec_code *code,
                         const struct codec_origin *origin) {
    struct blob *b = *bucket_of(s, key);
    while (b && (b->key != key || !same(b, code, origin)))
        b = b->next;
    return b;
}

/* Double the buckets, if there is memory; without it the lists only become longer. */
static void widen(struct store *s) {
    struct blob **old = s->buckets;
    size_t n = s->nbuckets;
    struct blob **buckets = sys.calloc(2 * n, sizeof *buckets);
    if (!buckets)
        return;
    s->buckets = buckets;
    s->nbuckets = 2 * n;
    for (size_t i = 0; i < n; i++)
        for (struct blob *b = old[i], *next; b; b = next) {
            next = b->next;
            struct blob **bucket = bucket_of(s, b->key);
            b->next = *bucket;
            *bucket = b;
        }
    free(old);
}

static void enter(struct store *s, struct blob *b) {
    if (s->count++ >= s->nbuckets)
        widen(s);
    struct blob **bucket = bucket_of(s, b->key);
    b->next = *bucket;
    *bucket = b;
}

static void leave(struct store *s, struct blob *b) {
    struct blob **at = bucket_of(s, b->key);
    while (*at != b)
        at = &(*at)->next;
    *at = b->next;
    s->count--;
}

/* --- making blobs --- */

/* The submitter's private part of a blob. */
static struct blob *new_blob(uint64_t key, const struct codec_origin *o) {
    size_t name = strlen(o->name) + 1, source = strlen(o->source) + 1;
    struct blob *b = sys.malloc(sizeof *b + name + source);
    if (!b)
        return NULL;
    *b = (struct blob){.key = key};
    atomic_init(&b->refs, 1);
    b->stored.origin = (struct codec_origin){memcpy(b->text, o->name, name),
                                             memcpy(b->text + name, o->source, source), o->line};
    return b;
}

/* The id for the next blob, at that block; 0: ids are used up, after 16 GiB of heap or 2^34
** blobs. */
static uint64_t next_id(struct store *s, uint64_t block) {
    uint64_t place = block / BLOB_UNIT;
    assert(block % BLOB_UNIT == 0);
    if (place >> BLOB_PLACE_BITS || s->made >= UINT64_C(1) << (62 - BLOB_PLACE_BITS))
        return 0;
    return s->made++ << BLOB_PLACE_BITS | place;
}

/* Copy the blob into the heap and give it an id, if there is room. */
static void share(struct store *s, struct blob *b, const struct codec_code *code) {
    const struct codec_origin *o = &b->stored.origin;
    size_t name = strlen(o->name) + 1, source = strlen(o->source) + 1;
    struct blob_head *head = NULL;
    if (code->len <= SIZE_MAX / 2)
        head = tine__heap_alloc(s->heap, sizeof *head + name + source + code->len, &b->block);
    if (!head)
        return;
    b->stored.id =
        s->by_content ? (b->key & (STORE_CONTENT - 1)) | STORE_CONTENT : next_id(s, b->block);
    if (!b->stored.id) {
        tine__heap_free(s->heap, b->block);
        b->block = 0;
        return;
    }
    *head = (struct blob_head){BLOB_MAGIC,       o->line,   b->stored.id, (uint32_t)name,
                               (uint32_t)source, code->len, code->hash};
    char *p = (char *)(head + 1);
    memcpy(p, o->name, name);
    memcpy(p + name, o->source, source);
    b->stored.code = *code;
    b->stored.code.bytes = code->len ? memcpy(p + name + source, code->bytes, code->len) : NULL;
}

const struct codec_stored *tine__store_put(struct store *s, const struct codec_code *code,
                                           const struct codec_origin *origin) {
    uint64_t key = key_of(code, origin);
    pthread_mutex_lock(&s->lock);
    struct blob *b = find(s, key, code, origin);
    if (b) {
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    } else if ((b = new_blob(key, origin))) {
        share(s, b, code);
        enter(s, b);
    }
    pthread_mutex_unlock(&s->lock);
    return b ? &b->stored : NULL;
}

/* --- shared values --- */

static const char value_texts[] = "shared value\0"; /* name and source */
_Static_assert(sizeof(struct blob_head) + sizeof value_texts <= STORE_VALUE_HEAD, "it has room");
#define VALUE_SOURCE (STORE_VALUE_HEAD - sizeof(struct blob_head) - sizeof value_texts + 1)

/* Put the value where workers read it: in *block, if it does not lie there
** already. NULL: no memory. */
static char *place_value(struct store *s, uint64_t *block, char *bytes, size_t len) {
    if (*block)
        return bytes;
    char *at = tine__heap_alloc(s->heap, len, block);
    return at ? memcpy(at, bytes, len) : NULL;
}

/* The id of a value that other machines see: unique among all processes, and without a place. */
static uint64_t foreign_id(struct store *s) {
    const uint64_t parts[] = {s->salt, s->made++};
    return (tine__hash(parts, sizeof parts) & (STORE_CONTENT - 1)) | STORE_CONTENT;
}

/* Fill in id and head; false: there is no id. The texts are followed by zeros up to the segment. */
static bool describe_value(struct store *s, struct blob *b, char *at, size_t len) {
    b->stored.id = s->by_content ? foreign_id(s) : next_id(s, b->block);
    b->key = tine__hash(&b->stored.id, sizeof b->stored.id);
    const struct blob_head head = {.magic = BLOB_MAGIC,
                                   .id = b->stored.id,
                                   .name = sizeof value_texts - 1,
                                   .source = VALUE_SOURCE,
                                   .len = len - STORE_VALUE_HEAD};
    memset(at, 0, STORE_VALUE_HEAD);
    memcpy(at, &head, sizeof head);
    memcpy(at + sizeof head, value_texts, sizeof value_texts);
    b->stored.code = (struct codec_code){at + STORE_VALUE_HEAD, head.len, 0};
    return b->stored.id != 0;
}

static bool make_value(struct store *s, struct blob *b, uint64_t *block, char *bytes, size_t len) {
    bool ours = *block == 0;
    char *at = place_value(s, block, bytes, len);
    b->block = *block;
    if (at && describe_value(s, b, at, len)) {
        enter(s, b);
        return true;
    }
    if (at && ours) {
        tine__heap_free(s->heap, *block);
        *block = 0;
    }
    return false;
}

const struct codec_stored *tine__store_value(struct store *s, uint64_t *block, char *bytes,
                                             size_t len, struct store_refs *refs) {
    struct blob *b = sys.calloc(1, sizeof *b);
    if (!b)
        return NULL;
    atomic_init(&b->refs, 1);
    b->value = true;
    b->stored.origin = (struct codec_origin){value_texts, "", 0};
    pthread_mutex_lock(&s->lock);
    bool made = !s->retired && make_value(s, b, block, bytes, len);
    pthread_mutex_unlock(&s->lock);
    if (!made) {
        free(b);
        return NULL;
    }
    b->names = *refs;
    *refs = (struct store_refs){0};
    *block = 0;
    return &b->stored;
}

/* The value has no references any more: let workers see that. */
static void end_value(struct store *s, const struct blob *b) {
    struct blob_head *head = (struct blob_head *)(b->stored.code.bytes - STORE_VALUE_HEAD);
    head->magic = BLOB_GONE;
    tine__heap_forget(s->heap);
}

/* --- references --- */

static struct blob *blob_of(const struct codec_stored *stored) {
    return (struct blob *)stored;
}

static void take_out(struct store *s, struct blob *b) {
    leave(s, b);
    if (b->value)
        end_value(s, b);
    if (b->block)
        tine__heap_free(s->heap, b->block);
}

bool tine__store_is_value(const struct codec_stored *stored) {
    return blob_of(stored)->value;
}

const struct store_refs *tine__store_names(const struct codec_stored *stored) {
    return &blob_of(stored)->names;
}

/* Drop a reference. True: it was the last one, and the blob is taken out. The last one is dropped
** with the lock held: tine__store_put may be finding the blob right now. */
static bool drop_one(struct store *s, struct blob *b) {
    unsigned n = atomic_load_explicit(&b->refs, memory_order_relaxed);
    while (n > 1)
        if (atomic_compare_exchange_weak_explicit(&b->refs, &n, n - 1, memory_order_release,
                                                  memory_order_relaxed))
            return false;
    pthread_mutex_lock(&s->lock);
    bool last = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1;
    if (last)
        take_out(s, b);
    pthread_mutex_unlock(&s->lock);
    return last;
}

/* Drop what the blob names, and free it. Blobs that go with it are put in front of `dead`; returns
** that list. */
static struct blob *bury(struct store *s, struct blob *b, struct blob *dead) {
    for (uint32_t i = 0; i < b->names.n; i++) {
        struct blob *named = blob_of(store_ref_at(&b->names, i));
        if (!drop_one(s, named))
            continue;
        named->next = dead;
        dead = named;
    }
    b->names.n = 0;
    tine__store_release(s, &b->names);
    free(b);
    return dead;
}

/* Not by recursion: shared values that name each other may be a chain of any length. */
void tine__store_drop(struct store *s, const struct codec_stored *stored) {
    struct blob *b = blob_of(stored), *dead;
    if (!drop_one(s, b))
        return;
    b->next = NULL;
    for (dead = b; dead;) {
        b = dead;
        dead = bury(s, b, b->next);
    }
}

size_t tine__store_count(struct store *s) {
    pthread_mutex_lock(&s->lock);
    size_t n = s->count;
    pthread_mutex_unlock(&s->lock);
    return n;
}

/* Make room in `far` for one more. */
COLD static int make_room(struct store_refs *refs) {
    uint32_t room = refs->room ? 2 * refs->room : 8;
    const struct codec_stored **far = sys.realloc(refs->far, room * sizeof *far);
    if (!far)
        return TINE_ENOMEM;
    refs->far = far;
    refs->room = room;
    return 0;
}

/* Add a reference that the caller already counted. 0 or TINE_ENOMEM. */
static int name(struct store_refs *refs, const struct codec_stored *stored) {
    uint32_t n = refs->n;
    if (n >= STORE_REFS_NEAR && n - STORE_REFS_NEAR == refs->room && make_room(refs))
        return TINE_ENOMEM;
    *(n < STORE_REFS_NEAR ? &refs->near[n] : &refs->far[n - STORE_REFS_NEAR]) = stored;
    refs->n++;
    return 0;
}

int tine__store_hold(struct store_refs *refs, const struct codec_stored *stored) {
    if (name(refs, stored))
        return TINE_ENOMEM;
    atomic_fetch_add_explicit(&blob_of(stored)->refs, 1, memory_order_relaxed);
    return 0;
}

int tine__store_pass_on(struct store_refs *to, struct store_refs *from) {
    const uint32_t before = to->n;
    for (uint32_t i = 0; i < from->n; i++)
        if (name(to, store_ref_at(from, i))) {
            to->n = before;
            return TINE_ENOMEM;
        }
    from->n = 0;
    return 0;
}

HOT void tine__store_release(struct store *s, struct store_refs *refs) {
    for (uint32_t i = 0; i < refs->n; i++)
        tine__store_drop(s, store_ref_at(refs, i));
    refs->n = 0;
    if (!refs->room && !refs->carried.list)
        return; /* as for nearly all messages */
    free(refs->far);
    if (refs->carried.list)
        tine__carried_drop(&refs->carried);
    *refs = (struct store_refs){0};
}
