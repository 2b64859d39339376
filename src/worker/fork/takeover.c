#include "worker/fork/takeover.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "base/sys.h"
#include "base/why.h"
#include "ipc/arena.h"
#include "worker/process/output.h"
#include "worker/state/memory.h"
#include "worker/task/prelude.h"

#define HEAP_PAGE 4096u

static int take_over_streams(struct server *s) {
    if (s->fds[SETUP_STDOUT] == -1)
        return 0;
    if (sys.dup3(s->fds[SETUP_STDOUT], 1, 0) == -1 || sys.dup3(s->fds[SETUP_STDERR], 2, 0) == -1)
        return TINE_ESYSTEM;
    tine__close(&s->fds[SETUP_STDOUT]);
    tine__close(&s->fds[SETUP_STDERR]);
    tine__output_redirected();
    return 0;
}

int tine__server_enter(struct server *s) {
    if (fchdir(s->fds[SETUP_CWD]) == -1) {
        tine__why(errno, "the working directory cannot be entered: %s", strerror(errno));
        return TINE_ESYSTEM;
    }
    tine__close(&s->fds[SETUP_CWD]);
    return 0;
}

/* Map the call heap, once for all workers. */
static int attach_heap(struct server *s) {
    if (!s->directory)
        s->directory = tine__map(s->fds[SETUP_HEAP], 0, HEAP_PAGE, false);
    if (!s->directory)
        return TINE_ESYSTEM;
    return s->heap ? 0 : tine__heap_attach(&s->heap, s->directory, s->fds[SETUP_HEAP], false);
}

static int read_boot(struct server *s) {
    int err = attach_heap(s);
    const void *bytes = err ? NULL : tine__heap_at(s->heap, s->setup.boot, s->setup.length, &err);
    return bytes ? tine__boot_read(&s->boot, bytes, s->setup.length) : err;
}

/* The root has reserved addresses for its workers' blocks, by the limit that it began with. Above
** the program's present one nothing more could be mapped. */
static void fit_addresses(const struct server *s) {
    struct slab *slab = tine__memory_slab(s->run.L);
    if (slab)
        tine__slab_fit(slab);
}

int tine__server_take_over(struct server *s) {
    if (s->taken)
        return 0;
    int err = take_over_streams(s);
    if (!err && !s->boot.environ) /* else an earlier attempt has read it */
        err = read_boot(s);
    if (!err)
        err = tine__inherit_take(&s->boot.inherit, s->executed);
    if (err)
        return err;
    fit_addresses(s);
    environ = (char **)s->boot.environ;
    s->taken = true;
    return 0;
}

int tine__server_attach(struct server *s, uint32_t seat) {
    if (s->attached)
        return 0;
    int err = tine__prelude_place(&s->run, &s->boot, s->heap);
    if (!err)
        err = tine__arena_attach(s->fds[SETUP_ARENA], seat);
    s->attached = !err;
    return err;
}
