/* Is a file still the same? It is if stat says so, which is asked again when the clock has moved
** on. */
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include "codec/files/files.h"
#include "codec/files/record.h"

bool tine__file_identify(const char *path, struct file_id *id) {
    struct stat st;
    if (stat(path, &st) != 0)
        return false;
    memset(id, 0, sizeof *id);
    *id = (struct file_id){.dev = st.st_dev,
                           .ino = st.st_ino,
                           .size = st.st_size,
                           .modified = st.st_mtim,
                           .changed = st.st_ctim};
    return true;
}

bool tine__file_same(const struct file_id *a, const struct file_id *b) {
    return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
           a->modified.tv_sec == b->modified.tv_sec && a->modified.tv_nsec == b->modified.tv_nsec &&
           a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

uint64_t tine__tick(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

bool tine__file_is_current(const struct file *file) {
    struct file *f = (struct file *)file;
    struct file_id id;
    uint64_t now = tine__tick();
    if (f->tick != now) /* a record that is out of date remains so */
        f->found = f->found && tine__file_identify(f->path, &id) && tine__file_same(&id, &f->id);
    f->tick = now;
    return f->found;
}

bool tine__file_is_of(const struct file *f, const char *path) {
    struct file_id id;
    return strcmp(f->path, path) == 0 ||
           (tine__file_identify(path, &id) && id.dev == f->id.dev && id.ino == f->id.ino);
}
