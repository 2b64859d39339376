#include "ipc/shm.h"

#include <errno.h>

#include "base/error.h"
#include "base/map.h"
#include "base/sys.h"

static int map(struct shm *s, bool writable) {
    s->base = tine__map(s->fd, 0, s->size, writable);
    return s->base ? 0 : TINE_ESYSTEM;
}

int tine__shm_create(struct shm *s, const char *name, size_t size) {
    *s = SHM_CLOSED;
    s->size = size;
    s->fd = tine__fd_memfd(name, MFD_ALLOW_SEALING);
    if (s->fd == -1 || tine__fd_resize(s->fd, size) == -1)
        goto fail;
    if (sys.fcntl(s->fd, F_ADD_SEALS, F_SEAL_SHRINK) == -1)
        goto fail;
    if (map(s, true))
        goto fail;
    return 0;
fail:
    tine__shm_close(s);
    return TINE_ESYSTEM;
}

int tine__shm_attach(struct shm *s, int fd, size_t size, bool writable) {
    struct stat st;
    *s = (struct shm){fd, NULL, size};
    if (sys.fstat(fd, &st) == -1)
        goto fail;
    if (st.st_size < 0 || (size_t)st.st_size < size) {
        errno = EINVAL; /* shorter than promised: touching it could raise SIGBUS */
        goto fail;
    }
    if (map(s, writable))
        goto fail;
    return 0;
fail:
    tine__shm_close(s);
    return TINE_ESYSTEM;
}

void tine__shm_close(struct shm *s) {
    int err = errno;
    if (s->base)
        tine__unmap(s->base, s->size);
    tine__close(&s->fd);
    *s = SHM_CLOSED;
    errno = err;
}
