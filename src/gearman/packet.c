#include "gearman/packet.h"

#include "base/error.h"

static uint32_t be32(const char *p) {
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

static void put_be32(char *p, uint32_t n) {
    for (int i = 0; i < 4; i++)
        p[i] = (char)(n >> (24 - 8 * i));
}

/* The number of arguments of packets that a server sends. */
static unsigned args_of(uint32_t type) {
    switch (type) {
    case GM_JOB_CREATED:
    case GM_WORK_FAIL:
        return 1;
    case GM_WORK_COMPLETE:
    case GM_WORK_DATA:
    case GM_ERROR:
        return 2;
    case GM_JOB_ASSIGN_UNIQ:
        return 4;
    default:
        return 0;
    }
}

/* Split the bytes into arguments. False: there are too few. */
static bool split(const char *p, size_t n, unsigned nargs, struct gm_packet *out) {
    out->nargs = nargs;
    for (unsigned i = 0; i < nargs; i++) {
        const char *end = i + 1 < nargs ? memchr(p, 0, n) : p + n;
        if (!end)
            return false;
        out->arg[i] = (struct gm_text){p, (size_t)(end - p)};
        n -= i + 1 < nargs ? out->arg[i].n + 1 : n;
        p = end + 1;
    }
    return true;
}

static size_t read_line(const char *bytes, size_t n, struct gm_packet *out) {
    size_t most = n < GM_LINE ? n : GM_LINE;
    const char *end = memchr(bytes, '\n', most);
    if (!end)
        return n < GM_LINE ? 0 : GM_BAD;
    size_t length = (size_t)(end - bytes);
    *out = (struct gm_packet){.type = GM_TEXT, .nargs = 1, .arg = {{bytes, length}}};
    if (length > 0 && bytes[length - 1] == '\r')
        out->arg[0].n--;
    return length + 1;
}

size_t tine__gm_size(const char *bytes, size_t n) {
    if (n < GM_HEAD || memcmp(bytes, "\0RES", 4) != 0)
        return 0;
    return GM_HEAD + (size_t)be32(bytes + 8);
}

size_t tine__gm_read(const char *bytes, size_t n, struct gm_packet *out) {
    if (n == 0)
        return 0;
    if (bytes[0] != 0)
        return read_line(bytes, n, out);
    if (memcmp(bytes, "\0RES", n < 4 ? n : 4) != 0)
        return GM_BAD;
    if (n < GM_HEAD)
        return 0;
    size_t size = tine__gm_size(bytes, n);
    if (size - GM_HEAD > GM_MOST)
        return GM_BAD;
    if (n < size)
        return 0;
    uint32_t type = be32(bytes + 4);
    *out = (struct gm_packet){.type = (enum gm_type)(type ? type : UINT32_MAX)};
    return split(bytes + GM_HEAD, size - GM_HEAD, args_of(type), out) ? size : GM_BAD;
}

int tine__gm_write(struct buf *out, enum gm_type type, unsigned nargs, const struct gm_text *args) {
    char head[GM_HEAD] = "\0REQ";
    size_t size = nargs ? nargs - 1 : 0;
    for (unsigned i = 0; i < nargs; i++)
        size += args[i].n;
    if (size > GM_MOST || buf_reserve(out, GM_HEAD + size))
        return TINE_ENOMEM;
    put_be32(head + 4, type);
    put_be32(head + 8, (uint32_t)size);
    buf_append(out, head, sizeof head);
    for (unsigned i = 0; i < nargs; i++) {
        buf_append(out, args[i].p, args[i].n);
        if (i + 1 < nargs)
            buf_append(out, "", 1);
    }
    return 0;
}

bool tine__gm_is(struct gm_text t, const char *text) {
    while (t.n > 0 && t.p[t.n - 1] == 0)
        t.n--;
    return strlen(text) == t.n && memcmp(t.p, text, t.n) == 0;
}
