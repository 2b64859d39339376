#include "site/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/uio.h>

#define MOST_LINE ((size_t)1 << 20) /* a longer line is broken */

/* May the write be tried again? Another process that shares the descriptor may have made it
** non-blocking; then wait for room here. */
static bool may_go_on(int fd) {
    struct pollfd p = {fd, POLLOUT, 0};
    return errno == EINTR || (errno == EAGAIN && (poll(&p, 1, -1) != -1 || errno == EINTR));
}

static void write_all(int fd, struct iovec *parts, int n) {
    while (n > 0) {
        ssize_t done = writev(fd, parts, n);
        if (done == -1 && !may_go_on(fd))
            break;
        for (; n > 0 && done >= (ssize_t)parts->iov_len; parts++, n--)
            done -= (ssize_t)parts->iov_len;
        if (n > 0 && done > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
}

void tine__page_flush(struct page *p) {
    struct iovec all = {p->bytes, p->used};
    if (p->used > 0)
        write_all(p->to, &all, 1);
    p->used = 0;
}

static void gather(struct page *p, const char *bytes, size_t n) {
    memcpy(p->bytes + p->used, bytes, n);
    p->used += n;
}

/* Print one line; `text` is without the newline. */
static void print(struct page *p, const struct lines *l, const char *text, size_t n) {
    size_t all = l->length + n + 1;
    if (p->to != l->to || all > LINES_PAGE - p->used)
        tine__page_flush(p);
    p->to = l->to;
    if (all > LINES_PAGE) {
        struct iovec parts[] = {{(char *)l->prefix, l->length}, {(char *)text, n}, {"\n", 1}};
        write_all(l->to, parts, 3);
        return;
    }
    gather(p, l->prefix, l->length);
    gather(p, text, n);
    gather(p, "\n", 1);
}

void tine__lines_prefix(char *out, const char *label, size_t length) {
    out[0] = '[';
    memcpy(out + 1, label, length);
    memcpy(out + 1 + length, "] ", 2);
}

void tine__lines_init(struct lines *l, int to, const char *prefix, size_t length) {
    *l = (struct lines){.to = to, .prefix = prefix, .length = length};
    tine__buf_init(&l->line);
}

void tine__lines_end(struct page *p, struct lines *l) {
    if (l->line.len > 0)
        print(p, l, l->line.data, l->line.len);
    tine__buf_free(&l->line);
}

/* Keep the beginning or the middle of a line. */
static void keep(struct page *p, struct lines *l, const char *text, size_t n) {
    if (l->line.len + n <= MOST_LINE && buf_append(&l->line, text, n) == 0)
        return;
    tine__lines_end(p, l);
    if (buf_append(&l->line, text, n))
        print(p, l, text, n); /* no memory to keep it until the rest comes */
}

void tine__lines_add(struct page *p, struct lines *l, const char *text, size_t n) {
    const char *end = text + n, *newline;
    while (text < end && (newline = memchr(text, '\n', (size_t)(end - text))) != NULL) {
        size_t length = (size_t)(newline - text);
        if (l->line.len == 0)
            print(p, l, text, length);
        else
            keep(p, l, text, length);
        tine__lines_end(p, l);
        text = newline + 1;
    }
    if (text < end)
        keep(p, l, text, (size_t)(end - text));
}
