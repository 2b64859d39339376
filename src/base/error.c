#include "base/error.h"

const char *tine_error_kind(int code) {
    switch (code) {
    case TINE_OK:
        return "ok";
#define KIND(name, value, kind, text) \
    case name: \
        return kind;
        TINE_ERRORS(KIND)
#undef KIND
    default:
        return "unknown";
    }
}

const char *tine_error_text(int code) {
    switch (code) {
    case TINE_OK:
        return "no error";
#define TEXT(name, value, kind, text) \
    case name: \
        return text;
        TINE_ERRORS(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}
