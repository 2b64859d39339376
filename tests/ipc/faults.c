/* Each system call and allocation fails in turn, until the body passes: what was acquired before is
** given back, handles are closed, and what was there before still works. */
#ifndef TINE_FAULTS

int main(void) {
    return 0; /* nothing can be made to fail */
}

#else

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/fault.h"
#include "base/sys.h"
#include "check.h"
#include "ipc/control.h"
#include "ipc/link.h"
#include "ipc/queue.h"
#include "ipc/wakeup.h"

static int open_fds(void) {
    int n = 0;
    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) != -1;
    return n;
}

static int shared_maps(void) {
    char line[512];
    int n = 0;
    FILE *f = fopen("/proc/self/maps", "r");
    CHECK(f);
    while (fgets(line, sizeof line, f))
        n += strstr(line, "memfd:") != NULL;
    fclose(f);
    return n;
}

static int dup_of(int fd) {
    return tine__fd_adopt(fcntl(fd, F_DUPFD_CLOEXEC, 0)); /* libc's own: no fault strikes in it */
}

/* --- bodies: 0, or the error --------------------------------------------------------------------- */

static int use_queue(void) {
    struct queue q, w = QUEUE_CLOSED;
    int err = tine__queue_create(&q);
    if (!err)
        err = tine__queue_attach(&w, dup_of(q.calls.fd), dup_of(q.claims.fd));
    if (err)
        CHECK(w.calls.fd == -1 && w.claims.fd == -1 && !w.c);
    tine__queue_close(&w);
    tine__queue_close(&q);
    return err;
}

static int use_wakeup(void) {
    struct wakeup w;
    int err = tine__wakeup_open(&w);
    tine__wakeup_send(&w);
    tine__wakeup_clear(&w);
    tine__wakeup_close(&w);
    return err;
}

static int use_control(void) {
    int ends[2], fds[CONTROL_FDS], n = CONTROL_FDS, err;
    char c;
    if ((err = tine__control_pair(ends)) != 0) {
        CHECK(ends[0] == -1 && ends[1] == -1);
        return err;
    }
    err = tine__control_send(ends[0], "x", 1, ends, 2);
    if (!err) {
        ssize_t got = tine__control_receive(ends[1], &c, 1, fds, &n);
        CHECK(got > 0 || n == 0);
        err = got == 1 ? 0 : got == 0 ? TINE_ESHUTDOWN : (int)got;
        for (int i = 0; i < n; i++)
            tine__close(&fds[i]);
    }
    tine__close(&ends[0]);
    tine__close(&ends[1]);
    return err;
}

static int write_and_read(struct link *l, struct link *w) {
    struct record_block b = {.length = 0};
    struct record r = {.kind = RECORD_VALUES, .length = sizeof b, .large = 1};
    const char *payload;
    size_t size = 100;
    char *p = tine__heap_alloc(w->heap, size, &b.offset);
    if (!p)
        return TINE_ENOMEM;
    memset(p, 'x', size);
    for (; size < (size_t)12 << 20; size *= 3) {
        char *larger = tine__heap_grow(w->heap, &b.offset, size, size * 3);
        if (!larger) {
            CHECK(p[0] == 'x' && p[size - 1] == 'x');
            return TINE_ENOMEM;
        }
        CHECK(larger[0] == 'x' && larger[size - 1] == 'x');
        memset(p = larger, 'x', size * 3);
    }
    b.length = size;
    tine__link_write(w, r, &b, NULL, NULL);
    int err = tine__link_peek(l, &r, &payload, &b.length);
    if (err) { /* the record stays, and can be read when the fault is over */
        CHECK_EQ(err, TINE_ESYSTEM);
        CHECK_EQ(tine__link_peek(l, &r, &payload, &b.length), 0);
    }
    CHECK(b.length == size && payload[0] == 'x' && payload[size - 1] == 'x');
    tine__heap_release(l->heap, tine__link_block(&r, l));
    tine__link_next(l);
    return err;
}

static int use_link(void) {
    struct link l, w = LINK_CLOSED;
    int err = tine__link_create(&l);
    if (!err)
        err = tine__link_attach(&w, dup_of(l.shm.fd));
    if (!err)
        err = write_and_read(&l, &w);
    tine__link_close(&w);
    tine__link_close(&l);
    return err;
}

/* Beyond the budget pages are given back; when that fails they are kept, and nobody else notices. */
static int free_much(void) {
    struct link l, w = LINK_CLOSED;
    uint64_t offset[6];
    int err = tine__link_create(&l);
    if (!err)
        err = tine__link_attach(&w, dup_of(l.shm.fd));
    int n = 0;
    while (!err && n < 6)
        if (!tine__heap_alloc(w.heap, (size_t)60 << 20, &offset[n++]))
            n--, err = TINE_ENOMEM;
    while (n > 0)
        tine__heap_free(w.heap, offset[--n]);
    tine__link_close(&w);
    tine__link_close(&l);
    return err;
}

static void each_call_fails(const char *name, int (*body)(void), int tolerated) {
    char spec[32];
    int fds = open_fds(), maps = shared_maps(), failed = 0;
    for (int n = 1;; n++) {
        snprintf(spec, sizeof spec, "all:%d", n);
        CHECK(tine__fault_set(spec));
        int err = body();
        unsigned long struck = tine__fault_struck();
        tine__fault_set(NULL);
        CHECK_EQ(open_fds(), fds);
        CHECK_EQ(shared_maps(), maps);
        if (!struck) {
            CHECK_EQ(err, 0);
            CHECK_LE(n - 1 - tolerated, failed);
            CHECK_LE(2, n);
            printf("%s: %d calls, %d of them not made up for\n", name, n - 1, failed);
            return;
        }
        failed += err != 0;
        CHECK(err == 0 || err == TINE_ENOMEM || err == TINE_ESYSTEM || err == TINE_ESHUTDOWN);
    }
}

int main(void) {
    each_call_fails("queue", use_queue, 0);
    each_call_fails("wakeup", use_wakeup, 0);
    each_call_fails("control", use_control, 0);
    each_call_fails("link", use_link, 8); /* a large extent, when refused, may be a small one */
    each_call_fails("heap", free_much, 12);
    return 0;
}

#endif
