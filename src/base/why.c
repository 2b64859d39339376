#include "base/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/error.h"

static _Thread_local struct {
    int error; /* 0: no words */
    char text[512];
} last;

void tine__why(int error, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(last.text, sizeof last.text, format, args);
    va_end(args);
    last.error = error;
    errno = error;
}

void tine__why_clear(void) {
    last.error = 0;
}

const char *tine__why_said(void) {
    return last.error ? last.text : "";
}

const char *tine__why_text(int error) {
    return last.error && last.error == error ? last.text : strerror(error);
}

const char *tine__why_failed(int code, int error) {
    return code == TINE_ESYSTEM ? tine__why_text(error) : tine_error_text(code);
}
