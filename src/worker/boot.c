#include "worker/boot.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/own.h"
#include "base/sys.h"

#define MAGIC 0x31746f6f62656e69ull /* "ineboot1" */
#define ALIGN 16u

/* The header of a block. Strings are named by their offset in the block; 0: none. */
struct boot_head {
    uint64_t magic, size;
    uint64_t spin, max_tasks, max_memory, idle, event_buffer, hook, hook_arg;
    uint64_t name, path, cpath, hook_name;
    uint64_t environ; /* `nenviron` strings, one after the other */
    uint64_t arg;     /* `narg` strings; 0: none */
    uint64_t locale;
    uint64_t preload, preload_len, preload_function;
    uint64_t initializer, initializer_len, initializer_function;
    uint64_t finalizer, finalizer_len, finalizer_function;
    uint32_t nenviron, preload_count, send_globals;
    uint32_t narg, warnings, depth;
    struct inherit inherit;
};

/* A copy of the environment at one instant: another thread of the program may be changing it. */
struct snapshot {
    struct buf strings;
    uint32_t count;
};

static OWN unsigned depth;

unsigned tine__boot_depth(void) {
    return depth;
}

/* Writes the parts behind the header. Used twice: without `base` it only counts. */
struct writer {
    char *base;
    size_t at;
};

static uint64_t put(struct writer *w, const void *p, size_t n) {
    if (!p)
        return 0;
    size_t at = w->at;
    if (w->base)
        memcpy(w->base + at, p, n);
    w->at += n;
    return at;
}

static uint64_t put_text(struct writer *w, const char *s) {
    return put(w, s, s ? strlen(s) + 1 : 0);
}

static uint64_t put_call(struct writer *w, const char *p, size_t n) {
    w->at = (w->at + ALIGN - 1) / ALIGN * ALIGN;
    return put(w, p, n);
}

/* Whatever happens to a string meanwhile, its copy is terminated where its end was seen. */
static int take_snapshot(struct snapshot *s, char *const *environ) {
    tine__buf_init(&s->strings);
    s->count = 0;
    for (const char *e; environ && (e = *environ) != NULL; environ++) {
        if (buf_append(&s->strings, e, strlen(e) + 1))
            return TINE_ENOMEM;
        s->strings.data[s->strings.len - 1] = '\0';
        s->count++;
    }
    return 0;
}

static void write_all(struct writer *w, struct boot_head *h, const struct boot *b,
                      const struct snapshot *environ) {
    w->at = sizeof *h;
    h->name = put_text(w, b->name);
    h->path = put_text(w, b->path);
    h->cpath = put_text(w, b->cpath);
    h->hook_name = put_text(w, b->hook_name);
    h->nenviron = environ->count;
    h->environ = w->at;
    put(w, environ->strings.data, environ->strings.len);
    h->narg = 0;
    h->arg = b->arg ? w->at : 0;
    for (const char *const *a = b->arg; a && *a; a++, h->narg++)
        put_text(w, *a);
    h->locale = put_text(w, b->locale);
    h->preload = put_call(w, b->preload, b->preload_len);
    h->initializer = put_call(w, b->initializer, b->initializer_len);
    h->finalizer = put_call(w, b->finalizer, b->finalizer_len);
}

static int write_bytes(struct buf *out, const struct boot *b, const struct inherit *inherit,
                       const struct snapshot *environ) {
    struct boot_head head = {
        .magic = MAGIC,
        .spin = b->spin,
        .max_tasks = b->max_tasks,
        .max_memory = b->max_memory,
        .idle = b->idle,
        .event_buffer = b->event_buffer,
        .hook = (uintptr_t)b->hook,
        .hook_arg = (uintptr_t)b->hook_arg,
        .preload_len = b->preload_len,
        .preload_function = b->preload_function,
        .preload_count = b->preload_count,
        .initializer_len = b->initializer_len,
        .initializer_function = b->initializer_function,
        .finalizer_len = b->finalizer_len,
        .finalizer_function = b->finalizer_function,
        .send_globals = b->send_globals,
        .warnings = b->warnings,
        .depth = depth + 1,
    };
    struct writer w = {NULL, 0};
    if (inherit)
        head.inherit = *inherit;
    write_all(&w, &head, b, environ);
    head.size = w.at;
    if (buf_reserve(out, w.at))
        return TINE_ENOMEM;
    w.base = out->data;
    write_all(&w, &head, b, environ);
    memcpy(out->data, &head, sizeof head);
    out->len = head.size;
    return 0;
}

int tine__boot_write(struct buf *out, const struct boot *b, const struct inherit *inherit) {
    struct snapshot environ;
    int err = take_snapshot(&environ, b->environ);
    if (!err)
        err = write_bytes(out, b, inherit, &environ);
    tine__buf_free(&environ.strings);
    return err;
}

static const char *text_at(const char *base, uint64_t offset) {
    return offset ? base + offset : NULL;
}

/* A malloced list of pointers to `n` strings that lie one after the other. */
static char **read_list(const char *p, uint32_t n) {
    char **list = sys.malloc((n + 1) * sizeof *list);
    if (!list)
        return NULL;
    for (uint32_t i = 0; i < n; i++) {
        list[i] = (char *)p;
        p += strlen(p) + 1;
    }
    list[n] = NULL;
    return list;
}

/* Copy the block into memory of our own: it includes the environment, which forked children of a
** task need, too. NULL: errno. */
static char *copy_bytes(const void *bytes, size_t size) {
    struct boot_head h;
    errno = EINVAL;
    if (size < sizeof h)
        return NULL;
    memcpy(&h, bytes, sizeof h);
    if (h.magic != MAGIC || h.size != size)
        return NULL;
    char *copy = sys.malloc(size);
    errno = ENOMEM;
    return copy ? memcpy(copy, bytes, size) : NULL;
}

/* As tine__boot_read; *deep: the nesting depth of the pool's workers. */
static int read_boot(struct boot *out, const void *bytes, size_t size, unsigned *deep) {
    char *base = copy_bytes(bytes, size);
    if (!base)
        return errno == ENOMEM ? TINE_ENOMEM : TINE_ESYSTEM;
    const struct boot_head *h = (const struct boot_head *)base;
    char **list = read_list(base + h->environ, h->nenviron);
    char **arg = h->arg ? read_list(base + h->arg, h->narg) : NULL;
    if (!list || (h->arg && !arg)) {
        free(list);
        free(arg);
        free(base);
        return TINE_ENOMEM;
    }
    *deep = h->depth;
    *out = (struct boot){
        .memory = base,
        .name = text_at(base, h->name),
        .path = text_at(base, h->path),
        .cpath = text_at(base, h->cpath),
        .environ = list,
        .inherit = h->inherit,
        .arg = (const char *const *)arg,
        .locale = text_at(base, h->locale),
        .warnings = h->warnings,
        .preload = text_at(base, h->preload),
        .preload_len = h->preload_len,
        .preload_function = h->preload_function,
        .preload_count = h->preload_count,
        .initializer = text_at(base, h->initializer),
        .initializer_len = h->initializer_len,
        .initializer_function = h->initializer_function,
        .finalizer = text_at(base, h->finalizer),
        .finalizer_len = h->finalizer_len,
        .finalizer_function = h->finalizer_function,
        .spin = h->spin,
        .max_tasks = h->max_tasks,
        .max_memory = h->max_memory,
        .idle = h->idle,
        .event_buffer = h->event_buffer,
        .send_globals = h->send_globals,
        .hook = (boot_hook)(uintptr_t)h->hook,
        .hook_arg = (void *)(uintptr_t)h->hook_arg,
        .hook_name = text_at(base, h->hook_name),
    };
    return 0;
}

int tine__boot_read(struct boot *out, const void *bytes, size_t size) {
    return read_boot(out, bytes, size, &depth);
}

int tine__boot_copy(struct boot *out, const struct boot *boot) {
    unsigned deep; /* not this process's depth */
    struct buf bytes;
    tine__buf_init(&bytes);
    int err = tine__boot_write(&bytes, boot, NULL);
    if (!err)
        err = read_boot(out, bytes.data, bytes.len, &deep);
    tine__buf_free(&bytes);
    return err;
}

void tine__boot_free(struct boot *boot) {
    if (!boot->memory)
        return;
    free((void *)boot->environ);
    free((void *)boot->arg);
    free(boot->memory);
    *boot = (struct boot){0};
}
