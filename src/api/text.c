/* Texts of errors that tasks and initializers have raised, made without Lua. */
#include <stdio.h>
#include <string.h>
#include <msgpack.h>
#include "api/api.h"
#include "base/sys.h"
#include "base/text.h"
#include "codec/segment.h"

static const char no_text[] = "(error object that is no text)";

static char *join(const char *a, const char *b) {
    size_t na = strlen(a), nb = strlen(b);
    char *text = sys.malloc(na + nb + 3);
    if (!text)
        return NULL;
    memcpy(text, a, na);
    memcpy(text + na, ": ", 2);
    memcpy(text + na + 2, b, nb + 1);
    return text;
}

/* A float as Lua prints it. */
static char *float_text(double value) {
    char text[64];
    snprintf(text, sizeof text, "%.14g", value);
    if (text[strspn(text, "-0123456789")] == '\0') /* it would look like an integer */
        strcat(text, ".0");
    return tine__text_copy(text);
}

/* An error value as text, as far as that is possible without Lua and its __tostring. */
static char *value_text(const msgpack_object *value) {
    char number[64] = "";
    switch (value->type) {
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return float_text(value->via.f64);
    case MSGPACK_OBJECT_STR:
        return tine__text_copy_n(value->via.str.ptr, value->via.str.size);
    case MSGPACK_OBJECT_BOOLEAN:
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        msgpack_object_print_buffer(number, sizeof number, *value);
        return tine__text_copy(number);
    case MSGPACK_OBJECT_NIL:
        return tine__text_copy("nil");
    default:
        return tine__text_copy(no_text);
    }
}

const void *tine__api_body(const char *segment, size_t whole, size_t *length) {
    *length = whole < SEGMENT_HEAD ? 0 : segment_body(segment, whole);
    return whole < SEGMENT_HEAD ? NULL : segment + SEGMENT_HEAD;
}

/* Parts of the array [error, traceback, text of the error]. */
enum part { PART_ERROR, PART_TRACEBACK, PART_TEXT };

/* A part of such a result segment as text. NULL: it is missing, or no memory. */
static char *error_part(const char *segment, size_t whole, enum part index) {
    size_t length = 0;
    const void *bytes = segment ? tine__api_body(segment, whole, &length) : NULL;
    msgpack_unpacked unpacked;
    char *text = NULL;
    if (!bytes)
        return NULL;
    msgpack_unpacked_init(&unpacked);
    if (msgpack_unpack_next(&unpacked, bytes, length, NULL) == MSGPACK_UNPACK_SUCCESS &&
        unpacked.data.type == MSGPACK_OBJECT_ARRAY && unpacked.data.via.array.size > index)
        text = value_text(&unpacked.data.via.array.ptr[index]);
    else if (index == PART_ERROR) /* nested too deeply for msgpack-c */
        text = tine__text_copy(no_text);
    msgpack_unpacked_destroy(&unpacked);
    return text;
}

/* What the worker's __tostring returned, or else what can be said without it. */
char *tine__api_error_text(const char *segment, size_t whole) {
    char *text = error_part(segment, whole, PART_TEXT);
    return text ? text : error_part(segment, whole, PART_ERROR);
}

char *tine__api_traceback_text(const char *segment, size_t whole) {
    char *text = error_part(segment, whole, PART_TRACEBACK);
    return text ? text : tine__text_copy("");
}

char *tine__api_failure_text(const struct failure *f) {
    if (!f->message)
        return tine__text_copy(tine_error_text(f->code));
    char *cause = tine__api_error_text(f->cause, f->cause_len);
    char *text = cause ? join(f->message, cause) : tine__text_copy(f->message);
    free(cause);
    return text;
}

const char *tine__api_keep_text(_Atomic(char *) *slot, char *made) {
    char *none = NULL;
    if (!made)
        return "out of memory";
    if (atomic_compare_exchange_strong(slot, &none, made))
        return made;
    free(made); /* another thread was first */
    return none;
}
