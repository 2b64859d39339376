#include "trace/pages.h"

#include <errno.h>
#include <string.h>
#include "base/fd.h"
#include "base/quiet.h"
#include "base/sys.h"

static const char closing[] = "\n]\n";

/* Writing has failed: the file ends behind the last whole event. */
static void fail(struct pages *p, int error) {
    p->n = 0;
    if (p->regular && tine__fd_ours(p->fd))
        (void)!sys.ftruncate(p->fd, (off_t)p->at);
    atomic_store(&p->error, error);
}

static ssize_t write_some(const struct pages *p, const char *bytes, size_t n, uint64_t at) {
    if (!tine__fd_ours(p->fd)) /* the program has closed it, or put something else there */
        return -1;
    return p->regular ? tine__quiet_pwrite(p->fd, bytes, n, (off_t)at)
                      : tine__quiet_write(p->fd, bytes, n);
}

/* False: writing has failed. */
static bool write_all(struct pages *p, const char *bytes, size_t n, uint64_t at) {
    while (n > 0) {
        ssize_t done = write_some(p, bytes, n, at);
        if (done == -1 && errno == EINTR)
            continue;
        if (done <= 0) {
            fail(p, done == 0 ? ENOSPC : errno);
            return false;
        }
        bytes += done;
        at += (uint64_t)done;
        n -= (size_t)done;
    }
    return true;
}

int tine__pages_open(struct pages *p, int fd, bool regular) {
    p->fd = fd;
    p->regular = regular;
    p->any = false;
    p->at = 0;
    p->n = 0;
    atomic_init(&p->error, 0);
    return regular ? sys.ftruncate(fd, 0) : 0;
}

int tine__pages_reopen(struct pages *p, int fd) {
    p->fd = fd;
    return sys.ftruncate(fd, (off_t)p->at);
}

void tine__pages_flush(struct pages *p) {
    if (p->n == 0 || atomic_load(&p->error) || !write_all(p, p->page, p->n, p->at))
        return;
    p->at += p->n;
    p->n = 0;
}

/* Bytes that are left of the current page of the file. */
static size_t room_in(const struct pages *p) {
    return PAGES_SIZE - (size_t)(p->at % PAGES_SIZE) - p->n;
}

/* Fill the current page with blanks: the next byte is the first of a page. */
static void fill_page(struct pages *p) {
    size_t rest = room_in(p);
    if (rest == PAGES_SIZE)
        return;
    memset(p->page + p->n, ' ', rest);
    p->n += rest;
    tine__pages_flush(p);
}

/* Write an event that is longer than a page. */
static void put_long(struct pages *p, const char *event, size_t length) {
    memcpy(p->page, p->any ? ",\n" : "[\n", 2);
    if (!write_all(p, p->page, 2, p->at) || !write_all(p, event, length, p->at + 2))
        return;
    p->at += 2 + length;
    p->any = true;
}

void tine__pages_put(struct pages *p, const char *event, size_t length) {
    if (atomic_load_explicit(&p->error, memory_order_relaxed))
        return;
    if (2 + length > room_in(p))
        fill_page(p);
    if (atomic_load_explicit(&p->error, memory_order_relaxed))
        return;
    if (2 + length > PAGES_SIZE) {
        put_long(p, event, length);
        return;
    }
    memcpy(p->page + p->n, p->any ? ",\n" : "[\n", 2);
    memcpy(p->page + p->n + 2, event, length);
    p->n += 2 + length;
    p->any = true;
}

uint64_t tine__pages_length(const struct pages *p) {
    return p->at + sizeof closing - 1;
}

void tine__pages_close(struct pages *p) {
    tine__pages_flush(p);
    if (!atomic_load(&p->error))
        write_all(p, closing, sizeof closing - 1, p->at);
    tine__close(&p->fd);
}
