#include "pool/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include "base/sys.h"

struct failure *tine__failure_new(int code) {
    struct failure *f = sys.calloc(1, sizeof *f);
    if (f) {
        f->refs = 1;
        f->code = code;
    }
    return f;
}

void tine__failure_say(struct failure *f, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = n < 0 ? NULL : sys.malloc((size_t)n + 1);
    if (!text)
        return;
    va_start(args, format);
    vsnprintf(text, (size_t)n + 1, format, args);
    va_end(args);
    free(f->message);
    f->message = text;
}

struct failure *tine__failure_ref(struct failure *f) {
    if (f)
        atomic_fetch_add_explicit(&f->refs, 1, memory_order_relaxed);
    return f;
}

void tine__failure_unref(struct failure *f) {
    if (!f || atomic_fetch_sub_explicit(&f->refs, 1, memory_order_acq_rel) != 1)
        return;
    free(f->label);
    free(f->source);
    free(f->cause);
    free(f->host);
    free(f->server);
    free(f->traceback);
    free(f->output);
    free(f->message);
    free(f);
}
