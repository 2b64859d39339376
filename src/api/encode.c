#include "api/encode.h"

#include <msgpack.h>
#include "api/checks.h"
#include "api/plain.h"
#include "base/error.h"
#include "codec/segment.h"

#define LONGEST ((size_t)UINT32_MAX - 64) /* a segment's length has 32 bits */

/* Begin a segment, whose head is filled in when it is closed. */
static int open_segment(struct buf *out, size_t *start) {
    static const char head[SEGMENT_HEAD];
    *start = out->len;
    return buf_append(out, head, sizeof head);
}

static void close_segment(struct buf *out, size_t start) {
    segment_set_head(out->data + start, out->len - start - SEGMENT_HEAD);
}

static int append(void *out, const char *bytes, size_t length) {
    return buf_append(out, bytes, length) ? -1 : 0;
}

/* Append the segment [operation, text]. */
static int pack_operation(struct buf *out, char op, const char *text, size_t length) {
    msgpack_packer pk;
    size_t start;
    if (open_segment(out, &start))
        return TINE_ENOMEM;
    msgpack_packer_init(&pk, out, append);
    if (msgpack_pack_array(&pk, 2) || msgpack_pack_ext(&pk, 1, SEGMENT_EXT_OP) ||
        msgpack_pack_ext_body(&pk, &op, 1) || msgpack_pack_str(&pk, length) ||
        msgpack_pack_str_body(&pk, text, length))
        return TINE_ENOMEM;
    close_segment(out, start);
    return 0;
}

static int refuse(const char *why) {
    tine__refuse("%s", why);
    return TINE_EARG;
}

int tine__task_function(const tine_task *task, struct buf *out) {
    const char *text = task->function;
    size_t length = !text ? 0 : task->function_length ? task->function_length : strlen(text);
    if (!text || length > LONGEST)
        return refuse(text ? "function is too long" : "function is NULL");
    switch (task->kind) {
    case TINE_SOURCE:
        return pack_operation(out, SEGMENT_OP_SOURCE, text, length);
    case TINE_NAME:
        return length > 0 ? pack_operation(out, SEGMENT_OP_TEXT, text, length)
                          : refuse("function is an empty name");
    case TINE_ENCODED:
        return segment_length(text, length) == length
                   ? buf_append(out, text, length)
                   : refuse(
                         "function is not what tine.encode gives, or function_length is not set");
    default:
        return refuse("kind is none of enum tine_function");
    }
}

int tine__task_arguments(const void *args, size_t length, struct buf *out) {
    static const char none = '\x90'; /* an empty array */
    size_t start;
    if (args ? length > LONGEST || !tine__is_plain_array(args, length) : length > 0)
        return refuse(args ? "args is not one msgpack array of plain values, of args_length bytes"
                           : "args is NULL, and args_length is not 0");
    if (open_segment(out, &start) || buf_append(out, args ? args : &none, args ? length : 1))
        return TINE_ENOMEM;
    close_segment(out, start);
    return 0;
}

int tine__task_chunk(const char *source, struct buf *out, size_t *function) {
    tine_task task = TINE_TASK_INIT;
    size_t start = out->len;
    task.function = source;
    int err = tine__task_function(&task, out);
    *function = out->len - start;
    return err ? err : tine__task_arguments(NULL, 0, out);
}
