/* What the C library's futures say of how they ended. */
#include <stdio.h>
#include <string.h>
#include <msgpack.h>
#include "api/api.h"
#include "api/structs.h"
#include "base/sys.h"
#include "base/text.h"
#include "codec/segment.h"

/* 0 when it is done and may be looked at. */
static int check(const tine_future *f) {
    int err = future_check(f);
    return err || outcome_settled(&f->outcome) ? err : TINE_EAGAIN;
}

int tine_future_code(tine_future *f) {
    int err = check(f);
    return err ? err : f->outcome.code;
}

/* The result segment: values, or [error, traceback] of the task or of what broke the pool. */
static const char *segment_of(const tine_future *f, size_t *length) {
    if (f->outcome.state != OUTCOME_FAILED)
        return tine__outcome_bytes(&f->outcome, length);
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    *length = failure ? failure->cause_len : 0;
    return failure ? failure->cause : NULL;
}

const void *tine_future_values(tine_future *f, size_t *length) {
    size_t whole;
    *length = 0;
    if (check(f))
        return NULL;
    const char *bytes = segment_of(f, &whole);
    if (!bytes || whole < SEGMENT_HEAD)
        return NULL;
    *length = segment_body(bytes, whole);
    return bytes + SEGMENT_HEAD;
}

const void *tine_future_output(tine_future *f, size_t *length) {
    *length = 0;
    if (check(f) || !item_printed(&f->item))
        return NULL;
    *length = item_printed(&f->item)->length;
    return item_printed(&f->item)->bytes;
}

/* --- texts --- */

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

/* A float as Lua writes it. */
static char *float_text(double value) {
    char text[64];
    snprintf(text, sizeof text, "%.14g", value);
    if (text[strspn(text, "-0123456789")] == '\0') /* it looks like an integer */
        strcat(text, ".0");
    return tine__text_copy(text);
}

/* An error value as text, where Lua is not there to ask its __tostring. */
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

/* What [error, traceback, text of the error] has. */
enum part { PART_ERROR, PART_TRACEBACK, PART_TEXT };

/* Such a part as text; NULL: not there, or out of memory. */
static char *error_part(tine_future *f, enum part index) {
    size_t length;
    const void *bytes = tine_future_values(f, &length);
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

/* What the worker's __tostring said, where it was asked, else what can be said here. */
static char *error_text(tine_future *f) {
    char *text = error_part(f, PART_TEXT);
    return text ? text : error_part(f, PART_ERROR);
}

static char *failure_message(tine_future *f, const struct failure *failure) {
    char *cause = failure->cause ? error_text(f) : NULL;
    char *text = cause ? join(failure->message, cause) : tine__text_copy(failure->message);
    free(cause);
    return text;
}

static char *make_message(tine_future *f) {
    size_t length;
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    if (f->outcome.state == OUTCOME_ERROR)
        return error_text(f);
    if (failure && failure->message)
        return failure_message(f, failure);
    const char *text = tine__outcome_bytes(&f->outcome, &length);
    if (text)
        return tine__text_copy_n(text, length);
    return tine__text_copy(tine_error_text(f->outcome.code));
}

static char *make_traceback(tine_future *f) {
    const struct failure *failure = tine__outcome_failure(&f->outcome);
    if (failure && failure->traceback)
        return tine__text_copy(failure->traceback);
    char *text = error_part(f, PART_TRACEBACK);
    return text ? text : tine__text_copy("");
}

/* The text in `slot`, made now if it is the first time. */
static const char *text_of(tine_future *f, _Atomic(char *) *slot, char *(*make)(tine_future *f)) {
    char *text = atomic_load(slot), *none = NULL;
    if (text)
        return text;
    text = make(f);
    if (!text)
        return "out of memory";
    if (atomic_compare_exchange_strong(slot, &none, text))
        return text;
    free(text); /* another thread was first */
    return none;
}

const char *tine_future_message(tine_future *f) {
    if (check(f) || f->outcome.state == OUTCOME_VALUES)
        return "";
    return text_of(f, &f->message, make_message);
}

const char *tine_future_traceback(tine_future *f) {
    if (check(f) || f->outcome.state == OUTCOME_VALUES)
        return "";
    return text_of(f, &f->traceback, make_traceback);
}

/* --- blame --- */

int tine_future_blame(tine_future *f, tine_blame *out) {
    size_t least = STRUCT_UPTO(tine_blame, line);
    int err = check(f);
    if (err && err != TINE_EAGAIN)
        return err;
    if (!out || out->size < least)
        return TINE_EARG;
    const struct failure *b = err ? NULL : tine__outcome_failure(&f->outcome);
    if (!b || b->code == TINE_ETIMEOUT || b->code == TINE_ECANCELLED || b->code == TINE_EMEMORY)
        return TINE_EINVALID; /* nobody has died */
    bool exited = b->has_status && WIFEXITED(b->status);
    bool signaled = b->has_status && WIFSIGNALED(b->status);
    tine_blame ours = {.pid = b->pid,
                       .exit_code = exited ? WEXITSTATUS(b->status) : -1,
                       .signal = signaled ? WTERMSIG(b->status) : 0,
                       .error = b->error,
                       .task = b->task,
                       .label = b->label,
                       .source = b->source,
                       .line = b->line};
    return tine__struct_write(out, least, &ours, sizeof ours) ? 0 : TINE_EARG;
}
