#include "worker/process/output.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>

#include "base/error.h"
#include "base/own.h"
#include "base/quiet.h"
#include "base/sys.h"

#define UNIT 4096u                 /* PIPE_BUF: what one write keeps together */
#define BUFFER ((size_t)64 * 1024) /* of the C stream */

struct output {
    int fd;
    bool pipe;     /* or a socket: writing may raise SIGPIPE */
    bool diverted; /* every byte must be written at once */
    size_t used;   /* bytes in `unit` */
    size_t whole;  /* length of the whole lines in it */
    char *unit;    /* not an array in here: a worker that prints nothing needs no page for it */
    char *buffer;
};

static char units[2][UNIT], buffers[2][BUFFER];
static OWN struct output standard_out = {
    .fd = 1, .pipe = true, .unit = units[0], .buffer = buffers[0]};
static OWN struct output standard_error = {
    .fd = 2, .pipe = true, .unit = units[1], .buffer = buffers[1]};
static FILE *out_stream, *err_stream;

/* --- writing to the descriptor --- */

/* Another process that shares the descriptor may have made it non-blocking;
** then wait for room here. */
static bool wait_for_room(int fd) {
    struct pollfd p = {fd, POLLOUT, 0};
    return poll(&p, 1, -1) != -1 || errno == EINTR;
}

static bool emit(const struct output *o, const char *p, size_t n) {
    while (n > 0) {
        ssize_t done = o->pipe ? tine__quiet_write(o->fd, p, n) : write(o->fd, p, n);
        if (done >= 0) {
            p += done;
            n -= (size_t)done;
        } else if (errno == EAGAIN ? !wait_for_room(o->fd) : errno != EINTR) {
            return false;
        }
    }
    return true;
}

/* --- collecting lines --- */

/* Write the first `n` collected bytes, either the whole lines or everything. What cannot be written
** is lost, as with any stream. */
static bool send_collected(struct output *o, size_t n) {
    bool ok = emit(o, o->unit, n);
    if (!ok)
        n = o->used;
    memmove(o->unit, o->unit + n, o->used - n);
    o->used -= n;
    o->whole = 0;
    return ok;
}

/* Make room for `n` more bytes of the current line; if need be, write what there is of it. */
static bool make_room(struct output *o, size_t n) {
    if (o->used + n > UNIT && o->whole > 0 && !send_collected(o, o->whole))
        return false;
    if (o->used + n > UNIT && o->used > 0)
        return send_collected(o, o->used); /* the line is too long to be kept together */
    return true;
}

/* Take in a piece that ends with a newline, or has none. */
static bool collect(struct output *o, const char *p, size_t n, bool ends_line) {
    if (!make_room(o, n))
        return false;
    if (n > UNIT)
        return emit(o, p, n);
    memcpy(o->unit + o->used, p, n);
    o->used += n;
    if (ends_line)
        o->whole = o->used;
    return true;
}

/* The write function of the C stream. Less than a full buffer means that the stream is being
** flushed, so everything is written, unfinished lines too; else an unfinished line is kept back. */
static ssize_t stream_write(void *cookie, const char *p, size_t n) {
    struct output *o = cookie;
    const char *end = p + n;
    bool ok = true;
    if (o->diverted)
        return emit(o, p, n) ? (ssize_t)n : 0;
    while (ok && p < end) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        const char *next = newline ? newline + 1 : end;
        ok = collect(o, p, (size_t)(next - p), newline != NULL);
        p = next;
    }
    size_t due = n < BUFFER ? o->used : o->whole;
    if (ok && due > 0)
        ok = send_collected(o, due);
    return ok ? (ssize_t)n : 0;
}

static int stream_seek(void *cookie, off64_t *position, int whence) {
    struct output *o = cookie;
    if (o->used > 0 && !send_collected(o, o->used))
        return -1;
    off64_t at = lseek64(o->fd, *position, whence);
    if (at == -1)
        return -1;
    *position = at;
    return 0;
}

/* --- the streams --- */

/* A worker that we descend from may have left it in any state. */
static FILE *open_stream(struct output *o, int mode) {
    o->diverted = false;
    o->used = o->whole = 0;
    cookie_io_functions_t functions = {.write = stream_write, .seek = stream_seek};
    FILE *f = fopencookie(o, "w", functions);
    if (!f)
        return NULL;
    f->_fileno = o->fd; /* so that fileno(3) works, for modules that ask whether it is a terminal */
    setvbuf(f, o->buffer, mode, BUFFER);
    return f;
}

int tine__output_open(void) {
    FILE *o = open_stream(&standard_out, _IOFBF), *e = open_stream(&standard_error, _IOLBF);
    if (!o || !e) {
        if (o)
            fclose(o);
        if (e)
            fclose(e);
        return TINE_ESYSTEM;
    }
    stdout = out_stream = o;
    stderr = err_stream = e;
    return 0;
}

/* The file type of a descriptor; 0: it is closed. */
static mode_t type_of(int fd) {
    struct stat st;
    return sys.fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
}

void tine__output_redirected(void) {
    int saved = errno;
    mode_t out = type_of(standard_out.fd), error = type_of(standard_error.fd);
    standard_out.pipe = out == S_IFIFO || out == S_IFSOCK;
    standard_error.pipe = error == S_IFIFO || error == S_IFSOCK;
    if (out_stream && out == S_IFCHR && isatty(standard_out.fd))
        setvbuf(out_stream, standard_out.buffer, _IOLBF, BUFFER);
    errno = saved;
}

/* A quick check instead of a call, since it is made after each task. */
static inline bool may_have_pending(const FILE *f) {
    return f->_IO_write_ptr != f->_IO_write_base || f->_mode > 0;
}

static inline void flush(struct output *o, FILE *f) {
    if (f && may_have_pending(f) && __fpending(f) > 0)
        fflush(f);
    if (o->used > 0)
        send_collected(o, o->used);
}

static int mode_of(FILE *f) {
    return __flbf(f) ? _IOLBF : __fbufsize(f) > 1 ? _IOFBF : _IONBF;
}

void tine__output_manner(struct output_manner *m) {
    const struct output *const outputs[] = {&standard_out, &standard_error};
    FILE *const streams[] = {out_stream, err_stream};
    for (int i = 0; i < 2; i++) {
        m->pipe[i] = outputs[i]->pipe;
        m->diverted[i] = outputs[i]->diverted;
        m->mode[i] = streams[i] ? mode_of(streams[i]) : _IONBF;
    }
}

void tine__output_change(const struct output_manner *m) {
    struct output *const outputs[] = {&standard_out, &standard_error};
    FILE *const streams[] = {out_stream, err_stream};
    for (int i = 0; i < 2; i++) {
        struct output *o = outputs[i];
        flush(o, streams[i]);
        o->pipe = m ? m->pipe[i] : true;
        o->diverted = m ? m->diverted[i] : true;
        int mode = m ? m->mode[i] : _IONBF;
        if (streams[i])
            setvbuf(streams[i], mode == _IONBF ? NULL : o->buffer, mode, BUFFER);
    }
}

void tine__output_flush(void) {
    flush(&standard_out, out_stream);
    flush(&standard_error, err_stream);
}
