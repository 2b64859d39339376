#include "api/checks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "base/why.h"

bool tine__refuse(const char *format, ...) {
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    tine__why(EINVAL, "%s", text);
    return false;
}

bool tine__check_time(const char *field, double seconds) {
    return seconds >= 0 || tine__refuse("%s is %g: seconds, 0 or more, are wanted", field, seconds);
}

bool tine__check_number(const char *field, double number) {
    return number == number || tine__refuse("%s is not a number", field);
}

bool tine__check_retry(const tine_retry *r) {
    return tine__check_number("retry.delay", r->delay) &&
           tine__check_number("retry.max_delay", r->max_delay) &&
           tine__check_number("retry.factor", r->factor) &&
           (r->jitter <= 1 ||
            tine__refuse("retry.jitter is %g: a number up to 1 is wanted", r->jitter));
}

bool tine__check_output(int output) {
    return (output >= TINE_OUTPUT_DEFAULT && output <= TINE_OUTPUT_PREFIX) ||
           tine__refuse("output is %d: one of enum tine_output is wanted", output);
}

bool tine__check_struct(bool was_read, const char *init) {
    return was_read || tine__refuse("the struct's size is wrong, or a field is set that version %s "
                                    "does not know: begin with %s",
                                    TINE_VERSION, init);
}
