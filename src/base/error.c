#include "base/error.h"

const char *tine_error_kind(int code) {
    switch (code) {
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
#define TEXT(name, value, kind, text) \
    case name: \
        return text;
        TINE_ERRORS(TEXT)
#undef TEXT
    default:
        return "unknown";
    }
}
